package token

import (
	"slices"

	"curfew.dev/curfew/revocation"
)

// kindOf is the type of the token if it is accepted. A token with an auth_time
// tells of a sign-in, whichever client has it, and so does every ID token (OpenID
// Connect Core, 2).
func (x *candidate) kindOf() revocation.TokenType {
	party := x.party()
	switch {
	case x.isID:
		return revocation.IDToken
	case x.authTime == 0 && party != "" && (party == x.subject || slices.Contains(x.MachineClients, party)):
		return revocation.MachineToken
	}
	return revocation.AccessToken
}
