package authorization

// ChallengeToken reports whether v, a scope or a value of acr or amr, can be a
// member of a list in a quoted parameter of WWW-Authenticate. The form is that of
// scope-token in RFC 6749 appendix A.4. Any other character could end the
// parameter or the header.
func ChallengeToken(v string) bool {
	for i := range len(v) {
		if c := v[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return v != ""
}
