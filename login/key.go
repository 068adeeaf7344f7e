package login

// ClientKey signs the assertions by which a client authenticates (RFC 7523).
type ClientKey struct{}

// ParseClientKey reads a private key: PEM (PKCS #8, PKCS #1 or SEC 1) or a JWK.
func ParseClientKey(text []byte) (*ClientKey, error) { return nil, nil }
