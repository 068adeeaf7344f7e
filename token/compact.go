package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/revocation"
)

// MaxBytes is the longest token that is looked at, in bytes.
const MaxBytes = 16 << 10

// compact is a token that is well-formed: a JWS in compact serialisation (RFC
// 7515, 7.1) whose header and payload can be read in one way only. Nothing of
// it is verified.
type compact struct {
	raw       string
	header    header
	payload   string
	signature string
}

// signed returns the bytes that the signature is over.
func (c *compact) signed() []byte { return []byte(c.raw[:strings.LastIndexByte(c.raw, '.')]) }

// plain returns the token for go-oidc, which reads more of a header than this
// package and may fail at it. It has the same payload and signature, and only alg
// in its header. The signature is not over that header.
func (c *compact) plain() string {
	if !c.header.more {
		return c.raw
	}
	header, _ := json.Marshal(map[string]string{"alg": c.header.alg})
	return base64.RawURLEncoding.EncodeToString(header) + c.raw[strings.IndexByte(c.raw, '.'):]
}

// header is the part of a JOSE header that is read.
type header struct {
	alg string
	kid string
	typ string // lower case, without application/
	jwk strictjson.Value

	more bool // it has parameters that are ignored
}

// headerWords are the registered header parameters (RFC 7515, 7516, 7797, 8555,
// 9449): a name that differs from one of them only in case is refused.
var headerWords = newVocabulary("alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit",
	"enc", "zip", "b64", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c", "url", "nonce", "iss", "sub", "aud", "svt", "ppt")

// strictBase64 refuses padding and non-zero trailing bits. It skips line
// breaks, so the alphabet is checked before.
var strictBase64 = base64.RawURLEncoding.Strict()

// parseCompact reads a token as far as that is possible without a key. The
// length and the dots come first, so that a token of 16 KiB of dots costs one scan.
func parseCompact(raw string) (compact, error) {
	if raw == "" || len(raw) > MaxBytes {
		return compact{}, invalid("empty, or longer than 16 KiB")
	}
	if strings.Count(raw, ".") != 2 {
		return compact{}, invalid("not a JWS in compact serialisation: it has other than three parts")
	}
	head, rest, _ := strings.Cut(raw, ".")
	body, signature, _ := strings.Cut(rest, ".")
	headJSON, ok1 := decodeBase64(head)
	payload, ok2 := decodeBase64(body)
	sign, ok3 := decodeBase64(signature)
	if !ok1 || !ok2 || !ok3 {
		return compact{}, invalid("a part is empty or not canonical base64url")
	}
	h, err := parseHeader(headJSON)
	if err != nil {
		return compact{}, err
	}
	return compact{raw, h, payload, sign}, nil
}

// decodeBase64 accepts only the one way to write what s encodes.
func decodeBase64(s string) (string, bool) {
	if s == "" || !base64urlOnly(s) {
		return "", false
	}
	b, err := strictBase64.DecodeString(s)
	return string(b), err == nil
}

func base64urlOnly(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// parseObject bounds what a provider or a client may send: 16 levels within the
// object.
func parseObject(s string) (strictjson.Object, error) {
	return strictjson.Parse(s, strictjson.Limits{Depth: 17, Members: 4096})
}

func parseHeader(s string) (header, error) {
	members, err := parseObject(s)
	if err != nil {
		return header{}, invalid("header: " + err.Error())
	}
	var h header
	for _, m := range members {
		if err := h.set(m); err != nil {
			return header{}, err
		}
	}
	if h.alg == "" {
		return header{}, invalid("header: no alg")
	}
	return h, nil
}

func (h *header) set(m strictjson.Member) error {
	text, isText := m.Value.Text()
	switch m.Name {
	case "alg":
		if h.alg = text; !isText || text == "" {
			return invalid("header: alg is not a string")
		}
	case "kid":
		if h.kid = text; !isText || text == "" || len(text) > revocation.MaxID {
			return invalid("header: kid is not a string within the limit")
		}
	case "typ":
		if h.typ = mediaType(text); !isText || h.typ == "" {
			return invalid("header: typ is not a string")
		}
	case "crit", "b64", "zip", "enc", "cty":
		return invalid("header: crit, b64, zip, enc and cty are not supported")
	case "jwk":
		h.jwk, h.more = m.Value, true // for proofs; nothing else looks at it
	default:
		// Among them jku, x5u and x5c, which may name or bring a key. They are
		// ignored (RFC 7515, 4): keys come from the issuer's set alone, so nothing
		// is fetched from there and nothing in there is trusted.
		h.more = true
		if headerWords.mistaken(m.Name) {
			return invalid("header: a registered parameter in the wrong case")
		}
	}
	return nil
}

// mediaType is the comparable form of a typ (RFC 7515, 4.1.9): a value without
// a slash is short for application/, and case does not matter.
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}
