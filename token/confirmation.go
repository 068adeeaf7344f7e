package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"

	"curfew.dev/curfew/internal/strictjson"
)

// confirmation is the cnf of a token (RFC 7800, 3.1): the keys that its sender must
// show. It is zero unless all of cnf is understood.
type confirmation struct {
	jkt string // RFC 9449, 6.1
	x5t string // x5t#S256: RFC 8705, 3.1
}

// readConfirmation reads a cnf. A member that is not known, such as kid or jwk, may
// bind the token to another key, so that nothing in it is used.
func readConfirmation(v strictjson.Value) (c confirmation) {
	members, err := parseObject(string(v))
	if err != nil {
		return confirmation{}
	}
	for _, m := range members {
		text, _ := m.Value.Text()
		if !isThumbprint(text) {
			return confirmation{}
		}
		switch m.Name {
		case "jkt":
			c.jkt = text
		case "x5t#S256":
			c.x5t = text
		default:
			return confirmation{}
		}
	}
	return c
}

// isThumbprint reports whether s is a SHA-256 in base64url. Only its one spelling
// counts: a revocation compares bytes.
func isThumbprint(s string) bool {
	b, ok := decodeBase64(s)
	return ok && len(b) == sha256.Size
}

func thumbprint(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Bound reports whether the token is bound to a key or certificate: it is worth
// nothing unless its sender shows that, by [Token.Prove].
func (t *Token) Bound() bool { return t.Credential.JKT != "" || t.Credential.X5TS256 != "" }

// Prove checks that the sender of a token holds the keys that the token is bound
// to: by a DPoP proof (RFC 9449), by the client certificate of the connection (RFC
// 8705), or by both where it names both. A token that was presented by the DPoP
// scheme must be bound to a DPoP key. Replays remembers the proof if it is good.
// Errors are of type *[ProofError].
func (t *Token) Prove(p *Presentation, replays *Replays) error {
	if x5t := t.Credential.X5TS256; x5t != "" && !sameText(x5t, certificateOf(p.TLS)) {
		return &ProofError{WrongCertificate, "it is bound to a client certificate, and the connection shows none or another one"}
	}
	switch jkt := t.Credential.JKT; {
	case jkt == "" && !p.DPoP:
		return nil
	case jkt == "":
		return &ProofError{NotBound, "it came by the DPoP scheme and is not bound to a key (cnf has no jkt)"}
	case !p.DPoP:
		return &ProofError{Downgraded, "it is bound to a DPoP key, and came as a bearer token"}
	}
	return t.proveDPoP(p, replays)
}

// certificateOf returns the thumbprint of the client certificate of a connection,
// empty if the client showed none. The handshake has proven that the client holds
// its key.
func certificateOf(c *tls.ConnectionState) string {
	if c == nil || len(c.PeerCertificates) == 0 {
		return ""
	}
	sum := sha256.Sum256(c.PeerCertificates[0].Raw)
	return thumbprint(sum[:])
}
