package revocation

// TokenType says what kind of token a credential was read from. As a rule,
// tokens of one issuer and type carry the same facts, and tokens of two types
// don't.
type TokenType uint8

// The types of token. Other nodes are told their numbers, so those must not
// change.
const (
	// AccessToken is an access token with which a client acts for a person.
	AccessToken TokenType = iota
	// IDToken is an ID token.
	IDToken
	// MachineToken is an access token with which a client acts for itself. It
	// tells of no sign-in.
	MachineToken

	NumTokenTypes
)

// Fact is a member of a credential that a target can name or a cut compares.
type Fact uint8

// The facts. Other nodes are told their numbers, so those must not change.
const (
	FactAuthTime Fact = iota
	FactClient
	FactSession
	FactTokenID
	FactDevice
	FactTenant
	FactSigningKey

	numFacts
)

// Facts says, for each type of token of one issuer and for each [Fact], whether
// a token came with it and whether one came without. Two values are merged by
// "or". A value fits into the 53 bits of a number in JSON.
type Facts uint64

// bitsPerType leaves room for one more fact.
const bitsPerType = 16

func bit(t TokenType, f Fact, carried bool) Facts {
	at := uint(t)*bitsPerType + uint(f)*2
	if carried {
		at++
	}
	return 1 << at
}

// Carry reports whether a token of this type came with the fact.
func (f Facts) Carry(t TokenType, fact Fact) bool { return f&bit(t, fact, true) != 0 }

// Lack reports whether a token of this type came without the fact.
func (f Facts) Lack(t TokenType, fact Fact) bool { return f&bit(t, fact, false) != 0 }

// FactsOf returns the facts that one token shows.
func FactsOf(t TokenType, c *Credential) Facts {
	var all Facts
	for fact, carried := range [numFacts]bool{
		FactAuthTime: c.AuthTime != 0, FactClient: c.Client != "", FactSession: c.Session != "", FactTokenID: c.TokenID != "",
		FactDevice: c.Device != "", FactTenant: c.Tenant != "", FactSigningKey: c.KeyID != "",
	} {
		all |= bit(t, Fact(fact), carried)
	}
	return all
}
