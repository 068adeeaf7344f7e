package token

import (
	"slices"

	"curfew.dev/curfew/revocation"
)

// typeOf returns the type of a token that was accepted. A token with an auth_time
// tells of a sign-in, whoever its client is, and so does every ID token (OpenID
// Connect Core, 2).
func (i *issuer) typeOf(c *claims) revocation.TokenType {
	party := c.party()
	switch {
	case c.isID:
		return revocation.IDToken
	case c.authTime == 0 && party != "" && (party == c.subject || slices.Contains(i.MachineClients, party)):
		return revocation.MachineToken
	}
	return revocation.AccessToken
}
