package policy

import (
	"slices"
	"strings"
)

// Claim is a demand on one claim of a credential.
type Claim struct {
	Name string
	// Values are those of which the claim must have one. They are compared
	// exactly, but a leading * stands for any beginning.
	Values []string
	// Unverified lets the claim email count without email_verified.
	Unverified bool
}

// Claims tells which demands a credential meets. An implementation may have found
// that out before, so that nothing is read for a request.
type Claims interface {
	Meets(*Claim) bool
}

// ClaimValues are the claims of a credential.
type ClaimValues interface {
	// Values are the value of a claim, or the members of an array.
	Values(name string) []string
	// True reports whether a claim is the JSON literal true.
	True(name string) bool
}

// ClaimsOf reads the claims whenever it is asked.
func ClaimsOf(v ClaimValues) Claims { return unread{v} }

type unread struct{ of ClaimValues }

func (u unread) Meets(c *Claim) bool { return c.MetBy(u.of) }

// MetBy reports whether the claims meet the demand. An email address that the
// provider has not verified may be anybody's.
func (c *Claim) MetBy(of ClaimValues) bool {
	if c.NeedsVerification() && !of.True("email_verified") {
		return false
	}
	return slices.ContainsFunc(of.Values(c.Name), func(held string) bool {
		return slices.ContainsFunc(c.Values, func(want string) bool { return MatchesClaim(want, held) })
	})
}

// NeedsVerification reports whether the claim counts with email_verified only.
func (c *Claim) NeedsVerification() bool { return c.Name == "email" && !c.Unverified }

// MatchesClaim compares exactly, but a leading * stands for any beginning.
func MatchesClaim(want, held string) bool {
	if end, any := strings.CutPrefix(want, "*"); any {
		return strings.HasSuffix(held, end)
	}
	return want == held
}

// String is the demand as a configuration has it.
func (c *Claim) String() string {
	text := c.Name + " " + strings.Join(c.Values, " ")
	if c.Unverified {
		text += " unverified"
	}
	return text
}

// Same reports whether two demands are one.
func (c *Claim) Same(other *Claim) bool {
	return c.Name == other.Name && c.Unverified == other.Unverified && slices.Equal(c.Values, other.Values)
}
