package token

import "slices"

// Type is what a verified token is. As a rule, tokens of one issuer and type
// carry the same facts, and tokens of two types don't.
type Type uint8

// The types. Other nodes are told their numbers, so those must not change.
const (
	// TypeAccess is an access token with which a client acts for a person.
	TypeAccess Type = iota
	// TypeID is an ID token.
	TypeID
	// TypeMachine is an access token with which a client acts for itself. It
	// tells of no sign-in.
	TypeMachine

	NumTypes
)

// typeOf is the type of a token that was accepted. A token with an auth_time
// tells of a sign-in, whoever its client is, and so does every ID token (OpenID
// Connect Core, 2).
func (i *issuer) typeOf(c *claims) Type {
	party := c.party()
	switch {
	case c.isID:
		return TypeID
	case c.authTime == 0 && party != "" && (party == c.subject || slices.Contains(i.MachineClients, party)):
		return TypeMachine
	}
	return TypeAccess
}
