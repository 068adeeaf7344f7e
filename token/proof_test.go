package token

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

const resource = "https://app.example.com/orders"

// holder is a client with a key and a token that is bound to it.
type holder struct {
	tb    testing.TB
	key   tokentest.Key
	token *Token
}

func newHolder(tb testing.TB, alg string) holder {
	tb.Helper()
	f, key := newFixture(tb), tokentest.NewKey(tb, "", alg)
	raw := f.Sign(f.Claims(api, start), tokentest.Claims{"cnf": map[string]any{"jkt": key.Thumbprint(tb)}})
	t, _, err := f.v.VerifyUnproven(context.Background(), raw, start)
	if err != nil {
		tb.Fatal(err)
	}
	return holder{tb, key, t}
}

func (h holder) claims() tokentest.Claims {
	return tokentest.ProofClaims("jti-1", "GET", resource, h.token.raw, start)
}

func (h holder) proof(changes tokentest.Claims, header map[string]any) string {
	c := h.claims()
	for name, value := range changes {
		c[name] = value
	}
	return h.key.Proof(h.tb, c, header)
}

// shown is a good presentation with these proofs.
func shownWith(proofs ...string) *Presentation {
	return &Presentation{DPoP: true, Proofs: proofs, Method: "GET", URL: resource, Now: start}
}

func faultOf(err error) string {
	var e *ProofError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Fault.String()
	}
	return "?" + err.Error()
}

func TestAProofOfEveryAlgorithmIsAccepted(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		h := newHolder(t, alg)
		if err := h.token.Prove(shownWith(h.proof(nil, nil)), new(Replays)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	// Ed25519 is the other name of EdDSA, which go-jose does not know.
	h := newHolder(t, "EdDSA")
	proof := by(h.key, map[string]any{"typ": "dpop+jwt", "alg": "Ed25519", "jwk": h.key.JWK(t)}, h.claims())
	if err := h.token.Prove(shownWith(proof), new(Replays)); err != nil {
		t.Errorf("Ed25519: %v", err)
	}
	if damaged := proof[:len(proof)-8] + "AAAAAAAA"; faultOf(h.token.Prove(shownWith(damaged), new(Replays))) != "invalid" {
		t.Error("a wrong Ed25519 signature is accepted")
	}
}

// by signs with EdDSA whatever the header says.
func by(k tokentest.Key, header map[string]any, claims tokentest.Claims) string {
	input := part(header) + "." + part(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.Signer.(ed25519.PrivateKey), []byte(input)))
}

func part(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the tests' own values
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// The twelve checks of RFC 9449, 4.3, by their numbers there.
func TestAProofThatIsNotForTheRequestIsRefused(t *testing.T) {
	h := newHolder(t, "ES256")
	thief := tokentest.NewKey(t, "", "ES256")
	with := func(jwk map[string]any, name string, value any) map[string]any {
		jwk[name] = value
		return map[string]any{"jwk": jwk}
	}
	good := h.proof(nil, nil)
	mac := func(alg string) string {
		secret := []byte("a secret that client and thief know")
		input := part(map[string]any{"typ": "dpop+jwt", "alg": alg, "jwk": map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(secret)}}) +
			"." + part(h.claims())
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		proofs []string
		want   string
	}{
		"1 no header":                     {nil, "missing"},
		"1 two headers":                   {[]string{good, good}, "invalid"},
		"1 joined by a proxy":             {[]string{good + ", " + good}, "invalid"},
		"1 empty":                         {[]string{""}, "invalid"},
		"2 not a JWT":                     {[]string{"proof"}, "invalid"},
		"2 JSON serialisation":            {[]string{`{"payload":"` + parts[1] + `"}`}, "invalid"},
		"2 padding":                       {[]string{good + "="}, "invalid"},
		"2 white space":                   {[]string{good[:20] + " " + good[20:]}, "invalid"},
		"2 too long":                      {[]string{h.proof(tokentest.Claims{"x": strings.Repeat("x", 8<<10)}, nil)}, "invalid"},
		"3 no jti":                        {[]string{h.proof(tokentest.Claims{"jti": nil}, nil)}, "invalid"},
		"3 empty jti":                     {[]string{h.proof(tokentest.Claims{"jti": ""}, nil)}, "invalid"},
		"3 jti of a wrong type":           {[]string{h.proof(tokentest.Claims{"jti": 1}, nil)}, "invalid"},
		"3 long jti":                      {[]string{h.proof(tokentest.Claims{"jti": strings.Repeat("j", 1025)}, nil)}, "invalid"},
		"3 no htm":                        {[]string{h.proof(tokentest.Claims{"htm": nil}, nil)}, "invalid"},
		"3 no htu":                        {[]string{h.proof(tokentest.Claims{"htu": nil}, nil)}, "invalid"},
		"3 no iat":                        {[]string{h.proof(tokentest.Claims{"iat": nil}, nil)}, "invalid"},
		"3 iat of a wrong type":           {[]string{h.proof(tokentest.Claims{"iat": "1795168800"}, nil)}, "invalid"},
		"3 claims in another case":        {[]string{h.proof(tokentest.Claims{"HTM": "POST"}, nil)}, "invalid"},
		"3 claims twice":                  {[]string{twice(h)}, "invalid"},
		"4 typ JWT":                       {[]string{h.proof(nil, map[string]any{"typ": "JWT"})}, "invalid"},
		"4 typ of a token":                {[]string{h.proof(nil, map[string]any{"typ": "at+jwt"})}, "invalid"},
		"4 no typ":                        {[]string{h.proof(nil, map[string]any{"typ": nil})}, "invalid"},
		"5 alg none":                      {[]string{part(map[string]any{"typ": "dpop+jwt", "alg": "none", "jwk": h.key.JWK(t)}) + "." + parts[1] + "." + parts[2]}, "invalid"},
		"5 no signature":                  {[]string{parts[0] + "." + parts[1] + "."}, "invalid"},
		"5 HS256":                         {[]string{mac("HS256")}, "invalid"},
		"5 symmetric key, asymmetric alg": {[]string{mac("ES256")}, "invalid"},
		"5 alg of another curve":          {[]string{part(map[string]any{"typ": "dpop+jwt", "alg": "ES384", "jwk": h.key.JWK(t)}) + "." + parts[1] + "." + parts[2]}, "invalid"},
		"5 alg is not the key's":          {[]string{h.proof(nil, with(h.key.JWK(t), "alg", "ES512"))}, "invalid"},
		"6 signature of another proof":    {[]string{parts[0] + "." + parts[1] + "." + strings.Split(h.proof(tokentest.Claims{"jti": "other"}, nil), ".")[2]}, "invalid"},
		"6 the key is another's":          {[]string{thief.Proof(t, h.claims(), map[string]any{"jwk": h.key.JWK(t)})}, "invalid"},
		"6 no jwk":                        {[]string{h.proof(nil, map[string]any{"jwk": nil})}, "invalid"},
		"6 critical extension":            {[]string{h.proof(nil, map[string]any{"crit": []string{"b64"}, "b64": true})}, "invalid"},
		"7 private key":                   {[]string{h.proof(nil, with(h.key.JWK(t), "d", "AAAA"))}, "invalid"},
		"7 private member of RSA":         {[]string{h.proof(nil, with(h.key.JWK(t), "qi", "AAAA"))}, "invalid"},
		"7 symmetric member":              {[]string{h.proof(nil, with(h.key.JWK(t), "k", "AAAA"))}, "invalid"},
		"7 private member of null":        {[]string{h.proof(nil, with(h.key.JWK(t), "d", nil))}, "invalid"},
		"8 another method":                {[]string{h.proof(tokentest.Claims{"htm": "POST"}, nil)}, "invalid"},
		"8 method in lower case":          {[]string{h.proof(tokentest.Claims{"htm": "get"}, nil)}, "invalid"},
		"9 another path":                  {[]string{h.proof(tokentest.Claims{"htu": "https://app.example.com/order"}, nil)}, "invalid"},
		"9 another host":                  {[]string{h.proof(tokentest.Claims{"htu": "https://evil.example.com/orders"}, nil)}, "invalid"},
		"9 another scheme":                {[]string{h.proof(tokentest.Claims{"htu": "http://app.example.com/orders"}, nil)}, "invalid"},
		"9 another port":                  {[]string{h.proof(tokentest.Claims{"htu": "https://app.example.com:8443/orders"}, nil)}, "invalid"},
		"9 a path only":                   {[]string{h.proof(tokentest.Claims{"htu": "/orders"}, nil)}, "invalid"},
		"9 user information":              {[]string{h.proof(tokentest.Claims{"htu": "https://app.example.com@evil.example.com/orders"}, nil)}, "invalid"},
		"11 old":                          {[]string{h.proof(tokentest.Claims{"iat": start.Unix() - 61}, nil)}, "untimely"},
		"11 from the future":              {[]string{h.proof(tokentest.Claims{"iat": start.Unix() + 61}, nil)}, "untimely"},
		"11 in milliseconds":              {[]string{h.proof(tokentest.Claims{"iat": start.UnixMilli()}, nil)}, "untimely"},
		"12 no ath":                       {[]string{h.proof(tokentest.Claims{"ath": nil}, nil)}, "invalid"},
		"12 ath of another token":         {[]string{thief.Proof(t, tokentest.ProofClaims("j", "GET", resource, "other", start), nil)}, "wrong_key"},
		"12 own key, other token":         {[]string{h.key.Proof(t, tokentest.ProofClaims("j", "GET", resource, "other", start), nil)}, "invalid"},
		"12 ath with padding":             {[]string{h.proof(tokentest.Claims{"ath": h.claims()["ath"].(string) + "="}, nil)}, "invalid"},
		"12 another key":                  {[]string{thief.Proof(t, h.claims(), nil)}, "wrong_key"},
	} {
		t.Run(name, func(t *testing.T) {
			var replays Replays
			if got := faultOf(h.token.Prove(shownWith(c.proofs...), &replays)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if n := replays.Len(); n != 0 {
				t.Errorf("%d refused proofs are remembered", n)
			}
		})
	}
}

// twice is a well-signed proof that has a claim twice.
func twice(h holder) string {
	payload, err := json.Marshal(h.claims())
	if err != nil {
		h.tb.Fatal(err)
	}
	return h.key.Sign(h.tb, []byte(`{"htm":"POST",`+string(payload[1:])), map[string]any{"typ": "dpop+jwt", "jwk": h.key.JWK(h.tb), "kid": nil})
}

// None of these says anything that a proof must not say.
func TestAProofThatIsForTheRequestIsAccepted(t *testing.T) {
	h := newHolder(t, "ES256")
	for name, c := range map[string]struct {
		claims tokentest.Claims
		header map[string]any
	}{
		"host in capitals":     {claims: tokentest.Claims{"htu": "HTTPS://APP.example.com/orders"}},
		"default port":         {claims: tokentest.Claims{"htu": "https://app.example.com:443/orders"}},
		"dot segments":         {claims: tokentest.Claims{"htu": "https://app.example.com/a/.././orders"}},
		"needless encoding":    {claims: tokentest.Claims{"htu": "https://app.example.com/%6frders"}},
		"query and fragment":   {claims: tokentest.Claims{"htu": "https://app.example.com/orders?x=1#y"}},
		"60 s old":             {claims: tokentest.Claims{"iat": start.Unix() - 60}},
		"60 s ahead":           {claims: tokentest.Claims{"iat": start.Unix() + 60}},
		"fractional iat":       {claims: tokentest.Claims{"iat": float64(start.Unix()) + 0.25}},
		"further claims":       {claims: tokentest.Claims{"sub": "alice", "exp": 1}},
		"a nonce nobody asked": {claims: tokentest.Claims{"nonce": "of the provider"}},
		"full media type":      {header: map[string]any{"typ": "application/DPoP+jwt"}},
		"kid beside the key":   {header: map[string]any{"kid": "k"}},
		"alg and use in the key": {header: map[string]any{"jwk": func() map[string]any {
			jwk := h.key.JWK(t)
			jwk["alg"], jwk["use"] = "ES256", "sig"
			return jwk
		}()}},
	} {
		if err := h.token.Prove(shownWith(h.proof(c.claims, c.header)), new(Replays)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProofIsGoodOnce(t *testing.T) {
	h := newHolder(t, "ES256")
	var replays Replays
	proof := h.proof(nil, nil)
	for i, want := range []string{"", "replayed", "replayed"} {
		if got := faultOf(h.token.Prove(shownWith(proof), &replays)); got != want {
			t.Errorf("use %d: got %q, want %q", i+1, got, want)
		}
	}
	// Nor is another proof of the same second with its jti, whatever it is for.
	other := shownWith(h.proof(tokentest.Claims{"htu": "https://other.example.com/"}, nil))
	other.URL = "https://other.example.com/"
	if got := faultOf(h.token.Prove(other, &replays)); got != "replayed" {
		t.Errorf("its jti at another host: got %q", got)
	}
}

func TestADPoPTokenIsRefusedByOtherSchemes(t *testing.T) {
	h := newHolder(t, "ES256")
	p := shownWith(h.proof(nil, nil))
	p.DPoP = false
	if got := faultOf(h.token.Prove(p, new(Replays))); got != "downgraded" {
		t.Errorf("with a good proof: got %q", got)
	}
	if got := faultOf(h.token.Prove(&Presentation{Now: start}, new(Replays))); got != "downgraded" {
		t.Errorf("as a bearer token: got %q", got)
	}
	f := newFixture(t)
	plain, err := f.verify(f.Sign(f.Claims(api, start)))
	if err != nil {
		t.Fatal(err)
	}
	if got := faultOf(plain.Prove(p, new(Replays))); got != "" {
		t.Errorf("a token that is not bound: got %q", got)
	}
	p.DPoP = true
	if got := faultOf(plain.Prove(p, new(Replays))); got != "not_bound" {
		t.Errorf("a token that is not bound, by the DPoP scheme: got %q", got)
	}
}

func TestANonceStandsForTheTimeOfAProof(t *testing.T) {
	h := newHolder(t, "ES256")
	given := map[string]time.Time{"now": start, "old": start.Add(-61 * time.Second), "older": start.Add(-time.Hour), "ahead": start.Add(61 * time.Second)}
	var replays Replays
	prove := func(claims tokentest.Claims) string {
		p := shownWith(h.proof(claims, nil))
		p.NonceWanted, p.Nonce = true, func(nonce string) (time.Time, bool) { at, ok := given[nonce]; return at, ok }
		return faultOf(h.token.Prove(p, &replays))
	}
	for nonce, want := range map[any]string{nil: "nonce", "": "nonce", "made up": "nonce", "old": "nonce", "older": "nonce", "ahead": "nonce", "now": ""} {
		if got := prove(tokentest.Claims{"nonce": nonce}); got != want {
			t.Errorf("nonce %v: got %q, want %q", nonce, got, want)
		}
	}
	if got := prove(tokentest.Claims{"nonce": "now", "jti": "wrong clock", "iat": start.Unix() - 86400}); got != "" {
		t.Errorf("a client whose clock is wrong: got %q", got)
	}
	if got := prove(tokentest.Claims{"nonce": "now", "jti": "wrong clock", "iat": start.Unix() - 86400}); got != "replayed" {
		t.Errorf("its proof for the second time: got %q", got)
	}
}

// A proof that routes with and without nonces accept is good once for all of them.
func TestAProofWithANonceIsGoodOnceWhetherItWasAskedForOrNot(t *testing.T) {
	h := newHolder(t, "ES256")
	for name, c := range map[string]struct {
		iat, given     int64 // seconds from now
		wanted         bool  // by the first route
		pause          int64
		first, another string
	}{
		"asked for, then not":       {iat: -5, wanted: true, another: "replayed"},
		"not asked for, then it is": {iat: -5, another: "replayed"},
		"when the nonce is old":     {iat: 59, wanted: true, pause: 61, another: "nonce"},
		"an old nonce":              {given: -61, first: "nonce", another: "nonce"},
	} {
		var replays Replays
		proof := h.proof(tokentest.Claims{"nonce": "ours", "iat": start.Unix() + c.iat}, nil)
		prove := func(wanted bool, later int64) string {
			p := shownWith(proof)
			p.Now = start.Add(time.Duration(later) * time.Second)
			p.NonceWanted, p.Nonce = wanted, func(string) (time.Time, bool) { return start.Add(time.Duration(c.given) * time.Second), true }
			return faultOf(h.token.Prove(p, &replays))
		}
		if got := prove(c.wanted, 0); got != c.first {
			t.Errorf("%s: the first use: got %q, want %q", name, got, c.first)
		}
		if got := prove(!c.wanted, c.pause); got != c.another {
			t.Errorf("%s: another route: got %q, want %q", name, got, c.another)
		}
	}
}

// A token is bound to what its cnf says, and refused where that can't be verified.
func TestACnfThatCannotBeVerifiedIsRefused(t *testing.T) {
	f := newFixture(t)
	jkt := strings.Repeat("A", 43)
	for name, cnf := range map[string]any{
		"null": json.RawMessage("null"), "empty": map[string]any{}, "text": jkt, "list": []string{jkt}, "key id": map[string]any{"kid": "k"},
		"key": map[string]any{"jwk": map[string]any{"kty": "EC"}}, "jkt and a key id": map[string]any{"jkt": jkt, "kid": "k"},
		"short": map[string]any{"jkt": "x"}, "empty jkt": map[string]any{"jkt": ""}, "null jkt": map[string]any{"jkt": nil},
		"another case": map[string]any{"JKT": jkt}, "padding": map[string]any{"jkt": jkt + "="}, "another spelling": map[string]any{"jkt": jkt[:42] + "B"},
		"SHA-1": map[string]any{"x5t": strings.Repeat("A", 27)}, "one of two": map[string]any{"jkt": jkt, "x5t#S256": 1},
	} {
		_, _, err := f.v.VerifyUnproven(context.Background(), f.Sign(f.Claims(api, start), tokentest.Claims{"cnf": cnf}), start)
		if e := wantKind(t, err, Invalid); !strings.Contains(e.Detail, "cnf") {
			t.Errorf("%s: %s", name, e.Detail)
		}
	}
	for name, cnf := range map[string]any{
		"jkt": map[string]any{"jkt": jkt}, "x5t": map[string]any{"x5t#S256": jkt}, "both": map[string]any{"jkt": jkt, "x5t#S256": jkt},
	} {
		raw := f.Sign(f.Claims(api, start), tokentest.Claims{"cnf": cnf})
		bound, _, err := f.v.VerifyUnproven(context.Background(), raw, start)
		if err != nil || !bound.Bound() {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.verify(raw); err == nil {
			t.Errorf("%s: a caller that asks for no proof gets a bound token", name)
		}
	}
}

func TestTheKeyIsTheDeviceWhereNoClaimNamesOne(t *testing.T) {
	jkt, x5t := strings.Repeat("A", 43), strings.Repeat("E", 43)
	for _, c := range []struct {
		claim  string
		claims tokentest.Claims
		want   string
	}{
		{"", tokentest.Claims{"cnf": map[string]any{"jkt": jkt}}, jkt},
		{"", tokentest.Claims{"cnf": map[string]any{"x5t#S256": x5t}}, x5t},
		{"", tokentest.Claims{"cnf": map[string]any{"jkt": jkt, "x5t#S256": x5t}}, jkt},
		{"device_id", tokentest.Claims{"cnf": map[string]any{"jkt": jkt}}, jkt},
		{"device_id", tokentest.Claims{"cnf": map[string]any{"jkt": jkt}, "device_id": "pc"}, "pc"},
		{"device_id", tokentest.Claims{"cnf": map[string]any{"jkt": jkt}, "device_id": ""}, jkt},
	} {
		f := newFixture(t, func(i *Issuer) { i.DeviceClaim = c.claim })
		bound, _, err := f.v.VerifyUnproven(context.Background(), f.Sign(f.Claims(api, start), c.claims), start)
		if err != nil || bound.Credential.Device != c.want {
			t.Errorf("%v: got %q, %v", c, bound.Credential.Device, err)
			continue
		}
		if !(revocation.Target{Issuer: issuerURL, Subject: "alice", Device: c.want}).Matcher()(&bound.Credential) {
			t.Errorf("%v: a target of the device does not match", c)
		}
	}
}

// ofRFC8705 is the certificate of RFC 8705, appendix A.
const ofRFC8705 = `-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----`

func TestACertificateIsComparedByItsThumbprint(t *testing.T) {
	block, _ := pem.Decode([]byte(ofRFC8705))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	connection := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	if got, want := certificateOf(connection), "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"; got != want {
		t.Fatalf("got %s, want %s of the RFC", got, want)
	}
	f := newFixture(t)
	for _, c := range []struct {
		x5t  string
		with *tls.ConnectionState
		want string
	}{
		{"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0", connection, ""},
		{"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0", nil, "wrong_certificate"},
		{"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0", new(tls.ConnectionState), "wrong_certificate"},
		{"B4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0", connection, "wrong_certificate"},
	} {
		raw := f.Sign(f.Claims(api, start), tokentest.Claims{"cnf": map[string]any{"x5t#S256": c.x5t}})
		bound, _, err := f.v.VerifyUnproven(context.Background(), raw, start)
		if err != nil {
			t.Fatal(err)
		}
		if got := faultOf(bound.Prove(&Presentation{TLS: c.with, Now: start}, new(Replays))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.x5t, got, c.want)
		}
	}
}

func TestATokenBoundToKeyAndCertificateNeedsBoth(t *testing.T) {
	h := newHolder(t, "ES256")
	h.token.Credential.X5TS256 = strings.Repeat("A", 43)
	if got := faultOf(h.token.Prove(shownWith(h.proof(nil, nil)), new(Replays))); got != "wrong_certificate" {
		t.Errorf("got %q", got)
	}
}

// ofRFC9449 is the proof of RFC 9449, 7.1, and the token that it is for.
const (
	ofRFC9449 = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" +
		"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
		"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" +
		"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" +
		"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	tokenOfRFC9449 = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
)

func TestTheProofOfRFC9449IsAccepted(t *testing.T) {
	bound := &Token{raw: tokenOfRFC9449}
	bound.Credential.JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	p := &Presentation{
		DPoP: true, Proofs: []string{ofRFC9449}, Method: "GET", URL: "https://resource.example.org/protectedresource",
		Now: time.Unix(1562262618, 0),
	}
	if err := bound.Prove(p, new(Replays)); err != nil {
		t.Error(err)
	}
}

func TestTheThumbprintOfRFC7638(t *testing.T) {
	members, err := parseObject(`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`)
	if err != nil {
		t.Fatal(err)
	}
	k, err := parseKey(members)
	if err != nil {
		t.Fatal(err)
	}
	if got := keyThumbprint(k); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("got %s", got)
	}
}

func TestNormalURLs(t *testing.T) {
	for s, want := range map[string]string{
		"https://a.example":                    "https://a.example/",
		"https://a.example/":                   "https://a.example/",
		"HTTPS://A.Example:443/":               "https://a.example/",
		"http://a.example:80":                  "http://a.example/",
		"http://a.example:443/":                "http://a.example:443/",
		"https://a.example:/x":                 "https://a.example/x",
		"https://[::1]:8443/x":                 "https://[::1]:8443/x",
		"https://[::1]":                        "https://[::1]/",
		"https://a.example?x=/../y":            "https://a.example/",
		"https://a.example#/y":                 "https://a.example/",
		"https://a.example/b/../c":             "https://a.example/c",
		"https://a.example/b/..":               "https://a.example/",
		"https://a.example/b/.":                "https://a.example/b/",
		"https://a.example/../../c":            "https://a.example/c",
		"https://a.example/%2e%2E/c":           "https://a.example/c",
		"https://a.example/%7euser":            "https://a.example/~user",
		"https://a.example/a%2fb":              "https://a.example/a%2Fb",
		"https://a.example/a//b":               "https://a.example/a//b",
		"https://a.example/sch\u00f6n":         "https://a.example/sch%C3%B6n",
		"https://a.example/a b":                "https://a.example/a%20b",
		"https://a.example/Case":               "https://a.example/Case",
		"https://a.example/.well-known/x":      "https://a.example/.well-known/x",
		"https://a.example/a%2":                "",
		"https://a.example/a%zz":               "",
		"https://u@a.example/":                 "",
		"https://a.example:44x/":               "",
		"https:///x":                           "",
		"https://a.example::/":                 "",
		"https://::1/":                         "",
		"https://[::1/":                        "",
		"https://[]/":                          "",
		"wss://a.example/":                     "",
		"//a.example/":                         "",
		"/x":                                   "",
		"":                                     "",
		"https://a.example\\@evil.example/":    "",
		"https://a.ex%61mple/":                 "",
		"https://a.example,b.example/":         "",
		"https://a.example/\x00":               "https://a.example/%00",
		"https://a.example.:443/a;v=1/b,c@d:e": "https://a.example./a;v=1/b,c@d:e",
	} {
		got, ok := normalURL(s)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v, want %q", s, got, ok, want)
		}
	}
}

// A normal form is its own normal form, or two URLs could be alike in one order only.
func TestANormalURLIsItsOwnNormalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := "https://a.example" + rapid.StringMatching(`(/|\.|%2e|%2F|%41|%|[a-z ü:@?0-9\[\]]){0,12}`).Draw(t, "rest")
		once, ok := normalURL(s)
		if !ok {
			return
		}
		if again, ok := normalURL(once); !ok || again != once {
			t.Fatalf("%q: %q, then %q", s, once, again)
		}
	})
}

// FuzzProof: no panic, and a proof that nobody signed is never accepted.
func FuzzProof(f *testing.F) {
	h := newHolder(f, "ES256")
	good := h.proof(nil, nil)
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(ofRFC9449)
	f.Add(good + "," + good)
	f.Add(encode(`{"typ":"dpop+jwt","alg":"none","jwk":{}}`, `{}`, "x"))
	f.Add(encode(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"AAAA"}}`, `{"jti":"1","htm":"GET","htu":"https://a/%","iat":1e9,"ath":"x"}`, "x"))
	f.Add(encode(`{"typ":"dpop+jwt","alg":"RS256","jwk":{"kty":"RSA","n":"AQ","e":"AQ"}}`, `{"jti":"1","htm":"GET","htu":"https://[/","iat":-1}`, "x"))
	f.Add(encode(`{"typ":"dpop+jwt","alg":"ES256","jwk":null}`, `{"jti":"1","jti":"2"}`, "x"))
	signed := map[string]bool{parts[0] + "." + parts[1]: true}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := parseProof(raw)
		if err == nil && (p.id == "" || p.thumbprint == "" || p.url == "") {
			t.Fatalf("%q is read as a proof of nothing", raw)
		}
		err = h.token.Prove(shownWith(raw), new(Replays))
		if err == nil && !signed[raw[:max(strings.LastIndexByte(raw, '.'), 0)]] {
			t.Fatalf("%q is accepted", raw)
		}
		var e *ProofError
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
	})
}
