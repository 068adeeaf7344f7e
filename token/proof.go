package token

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/internal/strictjson"
)

const (
	// ProofWindow is how old a DPoP proof may be, and how far its clock may be
	// ahead.
	ProofWindow = 60 * time.Second

	// maxProofBytes has room for an RSA key and signature of 8192 bits.
	maxProofBytes = 8 << 10
	maxProofID    = 1 << 10
)

// ProofAlgorithms are those that a DPoP proof may be signed by. Symmetric ones and
// none are never among them.
func ProofAlgorithms() []string { return slices.Clone(proofAlgorithms) }

var proofAlgorithms = []string{
	"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
}

// Presentation is how a request shows a token, and what its sender adds to prove
// possession of the keys that the token is bound to.
type Presentation struct {
	// DPoP: the token came by the DPoP scheme.
	DPoP bool
	// Proofs are the DPoP header fields of the request, each as it came.
	Proofs []string
	// Method and URL are those of the request as its client sent it, before any
	// proxy or rewrite. A query or fragment is ignored.
	Method, URL string
	// Nonce returns when this gateway handed out a nonce, if it did. It is called
	// with the nonce of a proof that has one. Nil: no nonce is known.
	Nonce func(nonce string) (time.Time, bool)
	// NonceWanted: a proof needs a nonce. The time of a nonce counts instead of the
	// proof's iat, whether it was wanted or not.
	NonceWanted bool
	// TLS is the connection that the client opened, if it ends here.
	TLS *tls.ConnectionState
	Now time.Time
}

// proof is a DPoP proof (RFC 9449, 4.2) that was read strictly. Nothing is verified.
type proof struct {
	compact
	id, method, url  string
	tokenHash, nonce string
	issuedAt         int64
	key              *key
	thumbprint       string
}

// proveDPoP does the checks of RFC 9449, 4.3. The cheapest come first: the
// signature is checked only for a proof that fits this request, and only with the
// key of a token that the issuer has signed. So strangers can't order cryptography.
func (t *Token) proveDPoP(p *Presentation, replays *Replays) error {
	switch {
	case len(p.Proofs) == 0:
		return &ProofError{NoProof, "there is no DPoP header"}
	case len(p.Proofs) > 1:
		return badProof("the DPoP header is repeated")
	}
	proof, err := parseProof(p.Proofs[0])
	if err != nil {
		return badProof(err.Error())
	}
	hash := sha256.Sum256([]byte(t.raw))
	url, ok := normalURL(p.URL)
	switch {
	case !sameText(proof.thumbprint, t.Credential.JKT):
		return &ProofError{WrongKey, "the proof is by another key than the token is bound to"}
	case proof.method != p.Method:
		return badProof("htm is another method")
	case !ok || proof.url != url:
		return badProof("htu is another URL than that of the request: behind a proxy, see `trusted_proxies`")
	case !sameText(proof.tokenHash, thumbprint(hash[:])):
		return badProof("ath is not the hash of the token")
	case !proof.signed():
		return badProof("its signature is wrong")
	}
	// A proof has one time, whichever route it comes to: else it could be used once
	// for each.
	at, known := proof.given(p)
	switch {
	case known && !untimely(at, p.Now):
	case known || p.NonceWanted:
		return errNonce
	default:
		if at = time.Unix(proof.issuedAt, 0); untimely(at, p.Now) {
			return &ProofError{Untimely, "its iat is more than 60 s from the gateway's clock"}
		}
	}
	if !replays.Use(proof.thumbprint, proof.id, at, p.Now) {
		return &ProofError{Replayed, "it was used before, or so many were that this can't be told"}
	}
	return nil
}

// given returns when the nonce of the proof was handed out.
func (pr *proof) given(p *Presentation) (time.Time, bool) {
	if pr.nonce == "" || p.Nonce == nil {
		return time.Time{}, false
	}
	return p.Nonce(pr.nonce)
}

var errNonce = &ProofError{NonceWanted, "it has no nonce of this gateway, or an old one"}

// CheckNonce returns the error of a proof whose nonce was handed out at a time that
// is not good any more; the zero time: it had none.
func CheckNonce(given, now time.Time) error {
	if untimely(given, now) {
		return errNonce
	}
	return nil
}

func badProof(detail string) error { return &ProofError{BadProof, detail} }

// untimely compares whole seconds, as a proof has them.
func untimely(at, now time.Time) bool {
	age := now.Unix() - at.Unix()
	return age > int64(ProofWindow/time.Second) || age < -int64(ProofWindow/time.Second)
}

// proofWords are the claims of a proof.
var proofWords = newVocabulary("jti", "htm", "htu", "iat", "ath", "nonce")

var errProofForm = errors.New("a claim of the proof is missing or of a wrong type")

// parseProof reads a proof as far as that is possible without checking its
// signature. An error holds nothing of the proof.
func parseProof(raw string) (*proof, error) {
	if len(raw) > maxProofBytes {
		return nil, errors.New("it is longer than 8 KiB")
	}
	c, err := parseCompact(raw)
	if err != nil {
		return nil, proofDetail(err)
	}
	switch {
	case c.header.typ != "dpop+jwt":
		return nil, errors.New("its typ is not dpop+jwt")
	case !slices.Contains(proofAlgorithms, c.header.alg):
		return nil, errors.New("its alg is not an asymmetric signature algorithm that is supported")
	}
	p := &proof{compact: c}
	if err := p.readClaims(); err != nil {
		return nil, err
	}
	if p.key, err = parseProofKey(c.header); err != nil {
		return nil, err
	}
	p.thumbprint = keyThumbprint(p.key)
	return p, nil
}

// keyThumbprint is the jkt of a key (RFC 7638). Empty: there is none.
func keyThumbprint(k *key) string {
	sum, err := (&jose.JSONWebKey{Key: k.public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return ""
	}
	return thumbprint(sum)
}

func proofDetail(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return errors.New(e.Detail)
	}
	return err
}

func (p *proof) readClaims() error {
	members, err := parseObject(p.payload)
	if err != nil {
		return err
	}
	for _, m := range members {
		ok := true
		switch m.Name {
		case "jti":
			ok = readText(m.Value, &p.id) && len(p.id) <= maxProofID
		case "htm":
			ok = readText(m.Value, &p.method)
		case "htu":
			if ok = readText(m.Value, &p.url); ok {
				p.url, ok = normalURL(p.url)
			}
		case "iat":
			ok = readDate(m.Value, &p.issuedAt)
		case "ath":
			ok = readText(m.Value, &p.tokenHash)
		case "nonce":
			ok = readText(m.Value, &p.nonce)
		default:
			ok = !proofWords.mistaken(m.Name)
		}
		if !ok {
			return errProofForm
		}
	}
	if p.id == "" || p.method == "" || p.url == "" || p.issuedAt == 0 || p.tokenHash == "" {
		return errProofForm
	}
	return nil
}

// privateMembers are those of private and symmetric keys (RFC 7518, 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// parseProofKey reads the key that a proof brings along. The algorithm of the
// header must fit it; where the key names one, it must be the same.
func parseProofKey(h header) (*key, error) {
	if h.jwk == "" {
		return nil, errors.New("its header has no jwk")
	}
	members, err := parseObject(string(h.jwk))
	if err != nil {
		return nil, errors.New("its jwk is not a JSON object that can be read in one way only")
	}
	if slices.ContainsFunc(members, func(m strictjson.Member) bool { return slices.Contains(privateMembers, m.Name) }) {
		return nil, errors.New("its jwk has members of a private key: that key is lost")
	}
	if members.Value("alg") == "" {
		named, _ := json.Marshal(h.alg)
		members = append(members, strictjson.Member{Name: "alg", Value: strictjson.Value(named)})
	}
	k, err := parseKey(members)
	if err != nil {
		return nil, errors.New("its jwk: " + err.Error())
	}
	if !k.fits(h.alg) {
		return nil, errors.New("its alg is not that of its jwk")
	}
	return k, nil
}

// signed checks the signature with the key of the proof.
func (p *proof) signed() bool {
	if p.header.alg == "Ed25519" { // go-jose knows it as EdDSA only (RFC 9864, 2.2)
		return p.key.verify(p.header.alg, p.compact.signed(), []byte(p.signature))
	}
	jws, err := jose.ParseSignedCompact(p.raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(p.header.alg)})
	if err != nil {
		return false
	}
	_, err = jws.Verify(p.key.public)
	return err == nil
}
