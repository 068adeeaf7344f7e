package devidp

// Tokens is a successful answer of the token endpoint: RFC 6749 section 5.1
// with the id_token of OpenID Connect.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
	// Nonce is what [SignIn] asked to find in the ID token.
	Nonce string `json:"-"`
}

// String keeps tokens out of logs and test output.
func (Tokens) String() string { return "devidp.Tokens(redacted)" }

// GoString is [Tokens.String].
func (t Tokens) GoString() string { return t.String() }
