package token

import (
	"sync/atomic"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/revocation"
)

// Verified is what guards need of a credential that passed every check, whatever
// it was read from. All but Clean and Memo is read-only once requests share it.
type Verified struct {
	// Credential is sealed.
	Credential revocation.Credential
	Type       revocation.TokenType

	// Clean is a memo for the caller that decides on the credential: the generation
	// of the index at which no revocation matched it.
	Clean atomic.Uint64

	// Memo is for the caller that passes the credential on: a value that it makes
	// once and uses with every request. It must depend on the credential alone.
	Memo atomic.Value

	kept    strictjson.Object
	ignored []string
}

// Ignored names the claims that the credential is taken to lack, though its token
// has them: each is empty or of another type than it should be.
func (v *Verified) Ignored() []string { return v.ignored }

// Keep has [Verified.Claim] return these claims. Call it before requests share the
// credential.
func (v *Verified) Keep(claims strictjson.Object) { v.kept = claims }

// Values are the scalars that a kept claim has: its value or, of an array, the
// members. A number or boolean is its JSON text. Objects and arrays within are
// left out, as are empty strings.
func (v *Verified) Values(name string) []string {
	kept := v.kept.Value(name)
	elements, isArray := kept.Elements()
	if !isArray {
		elements = []strictjson.Value{kept}
	}
	var all []string
	for _, e := range elements {
		if text, ok := e.Scalar(); ok {
			all = append(all, text)
		}
	}
	return all
}

// True reports whether a kept claim is the JSON literal true. A string is not.
func (v *Verified) True(name string) bool { return v.kept.Value(name) == "true" }

// Claim returns a claim that was kept: of a token those that [VerifierConfig] asked
// for. It is a string's value, or the JSON text of anything else. A claim that is
// absent or null is not ok.
func (v *Verified) Claim(name string) (value string, ok bool) {
	kept := v.kept.Value(name)
	if text, isText := kept.Text(); isText {
		return text, true
	}
	return string(kept), kept != "" && kept != "null"
}
