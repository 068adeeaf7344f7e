package caddymodule_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/token/tokentest"
)

// holder is a client of the gateway with a key, and a token that is bound to it.
type holder struct {
	*gateway
	key   tokentest.Key
	token string
	made  int
}

func (g *gateway) holder(sub string, changes ...tokentest.Claims) *holder {
	g.t.Helper()
	key := tokentest.NewKey(g.t, "", "ES256")
	bound := tokentest.Claims{"cnf": map[string]any{"jkt": key.Thumbprint(g.t)}}
	return &holder{gateway: g, key: key, token: g.token(sub, append([]tokentest.Claims{bound}, changes...)...)}
}

// proof makes a proof for one request; a change replaces a claim.
func (h *holder) proof(method, url string, changes ...tokentest.Claims) string {
	h.t.Helper()
	h.made++
	c := tokentest.ProofClaims(fmt.Sprintf("proof-%d-%d", h.made, time.Now().UnixNano()), method, url, h.token, time.Now())
	for _, change := range changes {
		for name, value := range change {
			c[name] = value
		}
	}
	return h.key.Proof(h.t, c, nil)
}

// ask sends a request with these proofs, by the DPoP scheme.
func (h *holder) ask(path string, proofs []string, edit ...func(*http.Request)) answer {
	h.t.Helper()
	return h.get(path, "", append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Authorization", "DPoP "+h.token)
		r.Header["Dpop"] = proofs
	}}, edit...)...)
}

// prove sends a request with a good proof.
func (h *holder) prove(path string, edit ...func(*http.Request)) answer {
	h.t.Helper()
	return h.ask(path, []string{h.proof("GET", h.app+path)}, edit...)
}

// refused checks a refusal with this error of the challenge.
func (h *holder) refused(what string, a answer, code string) {
	h.t.Helper()
	challenge := a.Header.Get("WWW-Authenticate")
	if a.StatusCode != 401 || a.problem() != "urn:curfew:invalid-token" || !strings.HasPrefix(challenge, `DPoP error="`+code+`"`) ||
		!strings.Contains(challenge, `algs="ES256 `) {
		h.t.Errorf("%s: %d %s %s, want %s", what, a.StatusCode, challenge, a.body, code)
	}
}

func TestABoundTokenIsAdmittedWithAProofOnly(t *testing.T) {
	g := start(t, global, sites)
	h := g.holder("alice")
	if a := h.prove("/"); a.StatusCode != 200 {
		t.Fatalf("with a proof: %d %s %s", a.StatusCode, a.Header.Get("WWW-Authenticate"), a.body)
	}
	if sent := g.upstream.header("Dpop"); sent != nil {
		t.Errorf("the proof reached the upstream: %q", sent)
	}
	before := g.upstream.count()
	url := g.app + "/"
	thief := g.holder("mallory")
	thief.token = h.token
	used := h.proof("GET", url)
	if a := h.ask("/", []string{used}); a.StatusCode != 200 {
		t.Errorf("the first use of a proof: %d", a.StatusCode)
	}
	before++
	for what, c := range map[string]struct {
		proofs []string
		code   string
	}{
		"no proof":       {nil, "invalid_dpop_proof"},
		"two proofs":     {[]string{h.proof("GET", url), h.proof("GET", url)}, "invalid_dpop_proof"},
		"another method": {[]string{h.proof("POST", url)}, "invalid_dpop_proof"},
		"another path":   {[]string{h.proof("GET", url+"other")}, "invalid_dpop_proof"},
		"another scheme": {[]string{h.proof("GET", strings.Replace(url, "http:", "https:", 1))}, "invalid_dpop_proof"},
		"another port":   {[]string{h.proof("GET", g.admin+"/")}, "invalid_dpop_proof"},
		"another token":  {[]string{h.proof("GET", url, tokentest.Claims{"ath": base64.RawURLEncoding.EncodeToString(make([]byte, 32))})}, "invalid_dpop_proof"},
		"another key":    {[]string{thief.proof("GET", url)}, "invalid_token"},
		"used before":    {[]string{used}, "invalid_dpop_proof"},
		"old":            {[]string{h.proof("GET", url, tokentest.Claims{"iat": time.Now().Unix() - 90})}, "invalid_dpop_proof"},
		"from tomorrow":  {[]string{h.proof("GET", url, tokentest.Claims{"iat": time.Now().Unix() + 86400})}, "invalid_dpop_proof"},
	} {
		h.refused(what, h.ask("/", c.proofs), c.code)
	}
	h.refused("as a bearer token", g.get("/", h.token), "invalid_token")
	h.refused("as a bearer token with a proof", g.get("/", h.token, func(r *http.Request) { r.Header.Set("DPoP", h.proof("GET", url)) }), "invalid_token")
	plain := &holder{gateway: g, key: h.key, token: g.token("alice")}
	plain.refused("a token that is not bound", plain.prove("/"), "invalid_token")
	if n := g.upstream.count(); n != before {
		t.Errorf("%d refused requests reached the upstream", n-before)
	}
	for line, want := range map[string]float64{
		`curfew_proofs_total{result="ok"}`: 2, `curfew_proofs_total{result="missing"}`: 1, `curfew_proofs_total{result="replayed"}`: 1,
		`curfew_proofs_total{result="untimely"}`: 2, `curfew_proofs_total{result="wrong_key"}`: 1, `curfew_proofs_total{result="downgraded"}`: 2,
		`curfew_proofs_total{result="not_bound"}`: 1, `curfew_proofs_total{result="invalid"}`: 6, `curfew_proofs_remembered`: 2,
	} {
		if got := g.metric(line); got != want {
			t.Errorf("%s is %v, want %v", line, got, want)
		}
	}
}

func TestARouteOffersBothSchemesToARequestWithoutACredential(t *testing.T) {
	g := start(t, global, sites)
	a := g.get("/", "")
	if got := a.Header.Values("WWW-Authenticate"); len(got) != 1 || !strings.HasPrefix(got[0], "Bearer") ||
		!strings.Contains(got[0], `, DPoP algs="ES256 `) || strings.Contains(got[0], "error") {
		t.Errorf("got %q", got)
	}
	h := g.holder("alice")
	step := h.prove("/billing")
	if got := step.Header.Get("WWW-Authenticate"); step.StatusCode != 401 || !strings.HasPrefix(got, `DPoP error="insufficient_user_authentication"`) ||
		!strings.Contains(got, `acr_values="mfa phr"`) || !strings.Contains(got, `algs="`) {
		t.Errorf("a step-up of a DPoP request: %d %s", step.StatusCode, got)
	}
}

// A request that carries a bound token twice, or in a place where no scheme says
// that it is bound, is refused.
func TestABoundTokenHasOneWayIn(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "identity_header X-User-Email email", "token_from header\n\t\ttoken_from cookie token", 1))
	h := g.holder("alice")
	cookie := func(r *http.Request) { r.Header.Set("Cookie", "token="+h.token) }
	if a := h.prove("/", cookie); a.StatusCode != 400 {
		t.Errorf("in header and cookie: %d", a.StatusCode)
	}
	h.refused("in a cookie, with a proof", g.get("/", "", cookie, func(r *http.Request) { r.Header.Set("DPoP", h.proof("GET", g.app+"/")) }), "invalid_token")
	if a := h.prove("/", func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+h.token) }); a.StatusCode != 400 {
		t.Errorf("by both schemes: %d", a.StatusCode)
	}
	if a := h.prove("/"); a.StatusCode != 200 {
		t.Errorf("by the DPoP scheme: %d", a.StatusCode)
	}
}

func TestAProofIsForTheURLThatTheClientCalled(t *testing.T) {
	anyHost := strings.Replace(sites, "http://127.0.0.1:APPPORT {", "http://:APPPORT {\n\tbind 127.0.0.1", 1)
	rewriting := strings.Replace(anyHost, "curfew @guarded {", "uri strip_prefix /api\n\tcurfew @guarded {\n\t\tupgrade websocket", 1)
	proxies := func(ranges string) string {
		return "\tservers {\n\t\ttrusted_proxies static " + ranges + "\n\t}\n" + global
	}
	forwarded := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Add(pairs[i], pairs[i+1])
			}
		}
	}
	g := start(t, proxies("127.0.0.1/32"), rewriting)
	h := g.holder("alice")
	for name, c := range map[string]struct {
		htu  string
		edit func(*http.Request)
		want int
	}{
		"before a rewrite":             {g.app + "/api/orders", forwarded(), 200},
		"after a rewrite":              {g.app + "/orders", forwarded(), 401},
		"scheme of a proxy":            {strings.Replace(g.app, "http:", "https:", 1) + "/api/orders", forwarded("X-Forwarded-Proto", "https"), 200},
		"scheme and host of a proxy":   {"https://app.example.com/api/orders", forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "APP.example.com:443"), 200},
		"not what the gateway saw":     {g.app + "/api/orders", forwarded("X-Forwarded-Proto", "https"), 401},
		"two proxies that agree":       {"https://app.example.com/api/orders", forwarded("X-Forwarded-Proto", "https, https", "X-Forwarded-Host", "app.example.com", "X-Forwarded-Host", "app.example.com"), 200},
		"two hosts that differ":        {"https://app.example.com/api/orders", forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com, evil.example.com"), 401},
		"two hosts, the other way":     {"https://evil.example.com/api/orders", forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com", "X-Forwarded-Host", "evil.example.com"), 401},
		"another scheme than http":     {"https://app.example.com/api/orders", forwarded("X-Forwarded-Proto", "ftp", "X-Forwarded-Host", "app.example.com"), 401},
		"a proxy's word for WebSocket": {"https://app.example.com/api/orders", forwarded("X-Forwarded-Proto", "wss", "X-Forwarded-Host", "app.example.com"), 200},
		"its word without TLS":         {"http://app.example.com/api/orders", forwarded("X-Forwarded-Proto", "ws", "X-Forwarded-Host", "app.example.com"), 200},
		"a path in a proxy's host":     {"https://app.example.com/public", forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com/public?"), 401},
		"a fragment in a proxy's host": {"https://app.example.com/", forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com#"), 401},
		"host of the request":          {"https://shop.example.com/api/orders", func(r *http.Request) { r.Host = "shop.example.com"; r.Header.Set("X-Forwarded-Proto", "https") }, 200},
		"the port matters":             {"https://app.example.com:8443/api/orders", forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com"), 401},
		"encoded as the client did it": {g.app + "/api/%6Frders?q=1", forwarded(), 200},
	} {
		if a := h.ask("/api/orders?page=2", []string{h.proof("GET", c.htu)}, c.edit); a.StatusCode != c.want {
			t.Errorf("%s: %d %s, want %d", name, a.StatusCode, a.Header.Get("WWW-Authenticate"), c.want)
		}
	}
	// A client that no trusted proxy stands before can't name the URL itself.
	g.load(proxies("192.0.2.0/24"), rewriting)
	for name, c := range map[string]struct {
		htu  string
		want int
	}{
		"what it says":  {"https://app.example.com/api/orders", 401},
		"what it calls": {g.app + "/api/orders", 200},
	} {
		a := h.ask("/api/orders", []string{h.proof("GET", c.htu)}, forwarded("X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com"))
		if a.StatusCode != c.want {
			t.Errorf("not a trusted proxy, %s: %d, want %d", name, a.StatusCode, c.want)
		}
	}
}

func TestARouteMayAskForANonce(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "identity_header X-User-Email email", "dpop_nonce", 1))
	h := g.holder("alice")
	url := g.app + "/"
	first := h.prove("/")
	h.refused("without a nonce", first, "use_dpop_nonce")
	nonce := first.Header.Get("DPoP-Nonce")
	if nonce == "" || first.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("nonce %q, Cache-Control %q", nonce, first.Header.Get("Cache-Control"))
	}
	ask := func(nonce string, more ...tokentest.Claims) answer {
		return h.ask("/", []string{h.proof("GET", url, append(more, tokentest.Claims{"nonce": nonce})...)})
	}
	for range 2 { // a nonce serves for several proofs
		if a := ask(nonce); a.StatusCode != 200 || a.Header.Get("DPoP-Nonce") != "" {
			t.Errorf("with the nonce: %d, next nonce %q", a.StatusCode, a.Header.Get("DPoP-Nonce"))
		}
	}
	if a := ask(nonce, tokentest.Claims{"iat": time.Now().Unix() - 7200}); a.StatusCode != 200 {
		t.Errorf("with the nonce, and a clock that is two hours late: %d", a.StatusCode)
	}
	for name, other := range map[string]string{"made up": "eyJ7S_zG.eyJH0-Z.HX4w-7v", "damaged": nonce[:len(nonce)-1], "extended": nonce + "A"} {
		h.refused("a nonce that is "+name, ask(other), "use_dpop_nonce")
	}
	// A reload keeps the keys by which nonces are known.
	g.load(global, strings.Replace(sites, "identity_header X-User-Email email", "dpop_nonce\n\t\toptional", 1))
	if a := ask(nonce); a.StatusCode != 200 {
		t.Errorf("after a reload: %d", a.StatusCode)
	}
}

// What guards ask for adds up, though a proof can be used once.
func TestGuardsOfARouteShareOneProof(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "curfew @billing billing", "curfew @billing {\n\t\tdpop_nonce\n\t\trequire_bound_tokens\n\t}", 1))
	h := g.holder("alice")
	if a := h.prove("/"); a.StatusCode != 200 {
		t.Errorf("the first guard alone: %d", a.StatusCode)
	}
	if a := g.get("/", g.token("alice")); a.StatusCode != 200 {
		t.Errorf("the first guard alone, not bound: %d", a.StatusCode)
	}
	h.refused("not bound", g.get("/billing", g.token("alice")), "invalid_token")
	first := h.prove("/billing")
	h.refused("without a nonce", first, "use_dpop_nonce")
	if a := h.ask("/billing", []string{h.proof("GET", g.app+"/billing", tokentest.Claims{"nonce": first.Header.Get("DPoP-Nonce")})}); a.StatusCode != 200 {
		t.Errorf("with a nonce: %d %s", a.StatusCode, a.Header.Get("WWW-Authenticate"))
	}
}

func TestAProofReachesTheUpstreamOnlyWhereItIsAskedFor(t *testing.T) {
	for option, want := range map[string]int{"dpop_proof strip": 0, "dpop_proof pass": 1, "optional": 0, "dry_run": 0, "token_from cookie token\n\t\toptional": 0} {
		t.Run(option, func(t *testing.T) {
			g := start(t, global, strings.Replace(sites, "identity_header X-User-Email email", option, 1))
			h := g.holder("alice")
			proof := h.proof("GET", g.app+"/")
			edit := func(r *http.Request) {
				if !strings.HasPrefix(option, "dpop") {
					r.Header.Del("Authorization")
				}
			}
			if a := h.ask("/", []string{proof}, edit); a.StatusCode != 200 {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if got := g.upstream.header("Dpop"); len(got) != want || want == 1 && got[0] != proof {
				t.Errorf("the upstream got %q", got)
			}
		})
	}
}

// R6: a key that was cut does not come back by a refresh, by a sign-in or by another
// issuer's token; a device that was unlinked does not come back by a refresh. R10:
// nobody else's key or device is hit.
func TestR6R10KeysAndKeyBoundDevicesAreCut(t *testing.T) {
	own := strings.Replace(global, "\t\t\tdevice_claim device_id\n", "", 1) // the key is the device
	g := start(t, own, sites)
	h := g.holder("alice")
	jkt := h.key.Thumbprint(t)
	if a := h.prove("/"); a.StatusCode != 200 {
		t.Fatalf("before: %d %s", a.StatusCode, a.body)
	}
	if got := g.upstream.header("Curfew-Device"); len(got) != 1 || got[0] != jkt {
		t.Errorf("Curfew-Device is %q, want the key", got)
	}
	bob := g.holder("bob")
	shared := &holder{gateway: g, key: h.key, token: g.token("bob", tokentest.Claims{"cnf": map[string]any{"jkt": jkt}})}
	plain := g.token("alice", tokentest.Claims{"device_id": nil})
	for _, who := range []*holder{bob, shared} {
		if a := who.prove("/"); a.StatusCode != 200 {
			t.Fatalf("before: %d", a.StatusCode)
		}
	}
	// The device of one account.
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice", "device_id": jkt})
	if a := h.prove("/"); a.problem() != "urn:curfew:signed-out" {
		t.Errorf("the unlinked device: %d %s", a.StatusCode, a.body)
	}
	refreshed := &holder{gateway: g, key: h.key, token: g.token("alice", tokentest.Claims{"cnf": map[string]any{"jkt": jkt}, "iat": time.Now().Unix()})}
	if a := refreshed.prove("/"); a.problem() != "urn:curfew:signed-out" {
		t.Errorf("the unlinked device after a refresh: %d %s", a.StatusCode, a.body)
	}
	for name, a := range map[string]answer{
		"another account with the same key": shared.prove("/"), "another account": bob.prove("/"), "the account without the key": g.get("/", plain),
	} {
		if a.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	// The key, whoever uses it.
	g.revoke(map[string]string{"jkt": jkt})
	anew := tokentest.Claims{"cnf": map[string]any{"jkt": jkt}, "iat": time.Now().Unix(), "auth_time": time.Now().Unix(), "sid": "another", "jti": "another"}
	for name, token := range map[string]string{"of another account": shared.token, "after a new sign-in": g.token("carol", anew)} {
		who := &holder{gateway: g, key: h.key, token: token}
		if a := who.prove("/"); a.problem() != "urn:curfew:revoked" || strings.Contains(a.Header.Get("WWW-Authenticate"), "max_age") {
			t.Errorf("the key %s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := bob.prove("/"); a.StatusCode != 200 {
		t.Errorf("another key: %d", a.StatusCode)
	}
}

// A certificate needs no issuer that anybody trusts: the token says which one it is.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func x5t(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// mutual is a gateway with a site that asks for client certificates. Caddy holds the
// host of its requests to the name in their handshakes, so it has a name.
type mutual struct {
	*gateway
	url, address string
}

// startMutual loads a gateway that also has a site with TLS, which asks for client
// certificates, in front of a service that streams until it is told to stop.
func startMutual(t *testing.T) *mutual {
	t.Helper()
	g := prepare(t)
	dir, port := t.TempDir(), porttest.Keep(t, 1)[0]
	cert, key := (&streaming{gateway: g}).certificate(dir)
	site := strings.NewReplacer("TLSPORT", port, "CERT", cert, "KEY", key).Replace(`
https://app.test:TLSPORT {
	tls CERT KEY {
		client_auth {
			mode request
		}
	}
	curfew
	reverse_proxy UPSTREAM
}
`)
	g.load(strings.Replace(global, "\t\t\tdevice_claim device_id\n", "", 1), sites+site)
	g.awaitReady()
	return &mutual{g, "https://app.test:" + port, "127.0.0.1:" + port}
}

// over returns a client that shows these certificates.
func (g *mutual) over(t *testing.T, certificates ...tls.Certificate) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}, // the server's is of the test
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (g *mutual) getTLS(c *http.Client, path, authorization string, header ...string) (*http.Response, error) {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.url+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return c.Do(req)
}

func TestACertificateBoundTokenNeedsItsCertificate(t *testing.T) {
	g := startMutual(t)
	own, other := selfSigned(t, "own"), selfSigned(t, "other")
	bound := g.token("alice", tokentest.Claims{"cnf": map[string]any{"x5t#S256": x5t(own)}})
	key := tokentest.NewKey(t, "", "ES256")
	both := g.token("alice", tokentest.Claims{"cnf": map[string]any{"x5t#S256": x5t(own), "jkt": key.Thumbprint(t)}})
	h := &holder{gateway: g.gateway, key: key, token: both}
	for _, c := range []struct {
		name   string
		client *http.Client
		scheme string
		token  string
		proof  string
		want   int
	}{
		{"right certificate", g.over(t, own), "Bearer", bound, "", 200},
		{"another certificate", g.over(t, other), "Bearer", bound, "", 401},
		{"no certificate", g.over(t), "Bearer", bound, "", 401},
		{"not bound, no certificate", g.over(t), "Bearer", g.token("alice"), "", 200},
		{"not bound, with a certificate", g.over(t, other), "Bearer", g.token("alice"), "", 200},
		{"bound to both, both shown", g.over(t, own), "DPoP", both, h.proof("GET", g.url+"/"), 200},
		{"bound to both, no proof", g.over(t, own), "DPoP", both, "", 401},
		{"bound to both, no certificate", g.over(t), "DPoP", both, h.proof("GET", g.url+"/"), 401},
		{"bound to both, as a bearer token", g.over(t, own), "Bearer", both, "", 401},
		{"bound to a certificate, by the DPoP scheme", g.over(t, own), "DPoP", bound, h.proof("GET", g.url+"/"), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := g.upstream.count()
			var header []string
			if c.proof != "" {
				header = []string{"DPoP", c.proof}
			}
			// Nothing that a client writes into a header stands for the handshake.
			header = append(header, "Client-Cert", ":"+base64.StdEncoding.EncodeToString(own.Certificate[0])+":", "X-Forwarded-Client-Cert", "Hash="+x5t(own))
			resp, err := g.getTLS(c.client, "/", c.scheme+" "+c.token, header...)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != c.want || c.want == 401 && g.upstream.count() != before {
				t.Fatalf("%d %s, want %d", resp.StatusCode, resp.Header.Get("WWW-Authenticate"), c.want)
			}
			if c.token == bound && c.want == 200 {
				if device := g.upstream.header("Curfew-Device"); len(device) != 1 || device[0] != x5t(own) {
					t.Errorf("Curfew-Device is %q", device)
				}
			}
		})
	}
	resp, err := g.getTLS(g.over(t), "/", "Bearer "+bound)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer error="invalid_token"`) {
		t.Errorf("got %s", got)
	}
}

// Cuts of a key, of a certificate and of a key-bound device end requests that are
// open.
func TestOpenRequestsEndWhenTheirKeyIsCut(t *testing.T) {
	g := startMutual(t)
	open := make(chan struct{}, 1)
	g.upstream.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		open <- struct{}{}
		<-r.Context().Done()
	})
	own := selfSigned(t, "own")
	for name, target := range map[string]func(h *holder) map[string]string{
		"key":         func(h *holder) map[string]string { return map[string]string{"jkt": h.key.Thumbprint(t)} },
		"certificate": func(*holder) map[string]string { return map[string]string{"x5t_s256": x5t(own)} },
		"device": func(h *holder) map[string]string {
			return map[string]string{"iss": g.issuer.URL, "sub": "alice-device", "device_id": h.key.Thumbprint(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := g.holder("alice-" + name)
			if name == "certificate" {
				h.token = g.token("alice-"+name, tokentest.Claims{"cnf": map[string]any{"x5t#S256": x5t(own), "jkt": h.key.Thumbprint(t)}})
			}
			stays := g.holder("bob-" + name)
			read := func(h *holder) (*http.Response, error) {
				return g.getTLS(g.over(t, own), "/", "DPoP "+h.token, "DPoP", h.proof("GET", g.url+"/"))
			}
			resp, err := read(h)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%v, %v", resp, err)
			}
			defer resp.Body.Close()
			<-open
			beside, err := read(stays)
			if err != nil || beside.StatusCode != 200 {
				t.Fatalf("%v, %v", beside, err)
			}
			<-open
			receipt := g.revoke(target(h))
			if cut := receipt["enforcement"].(map[string]any)["live_requests_cut"]; cut != 1.0 {
				t.Errorf("the receipt says that %v requests were cut", cut)
			}
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("the stream ended as if it were whole")
			}
			_ = beside.Body.Close() // it is still open: reading it would wait
		})
	}
}

// Previews and sessions know the key as the device.
func TestPreviewsKnowKeyBoundDevices(t *testing.T) {
	g := start(t, strings.Replace(global, "\t\t\tdevice_claim device_id\n", "", 1), sites)
	h := g.holder("alice")
	jkt := h.key.Thumbprint(t)
	if a := h.prove("/"); a.StatusCode != 200 {
		t.Fatalf("%d", a.StatusCode)
	}
	for name, target := range map[string]map[string]string{
		"device": {"iss": g.issuer.URL, "sub": "alice", "device_id": jkt}, "key": {"jkt": jkt},
	} {
		a := g.call(helpdesk, http.MethodPost, "/v1/revocations/preview", map[string]any{"target": target})
		if a.StatusCode != 200 || !strings.Contains(a.body, `"sessions":1`) || !strings.Contains(a.body, `"devices":1`) || strings.Contains(a.body, "no_device_id") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	// A device that no token of the issuer can name is refused, as before.
	a := g.call(helpdesk, http.MethodPost, "/v1/revocations", map[string]any{"target": map[string]string{"iss": g.issuer.URL, "sub": "alice", "device_id": "pc"}})
	if a.StatusCode != 422 || a.problem() != "urn:curfew:unenforceable" {
		t.Errorf("a device that is no key: %d %s", a.StatusCode, a.body)
	}
}

// The admin API asks for no proof, so it takes no bound token.
func TestTheAdminAPITakesNoBoundToken(t *testing.T) {
	g := start(t, global, strings.Replace(sites, "token helpdesk write", "oidc ISSUER {\n\t\t\taudience api\n\t\t\trole write scope read\n\t\t}\n\t\ttoken helpdesk write", 1))
	h := g.holder("alice")
	ask := func(scheme, token string) int {
		req, err := http.NewRequest(http.MethodGet, g.admin+"/v1/nodes", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", scheme+" "+token)
		req.Header.Set("DPoP", h.proof("GET", g.admin+"/v1/nodes"))
		return g.do(req).StatusCode
	}
	plain := g.token("alice")
	for _, c := range []struct {
		scheme, token string
		want          int
	}{{"Bearer", plain, 200}, {"DPoP", plain, 401}, {"Bearer", h.token, 401}, {"DPoP", h.token, 401}} {
		if got := ask(c.scheme, c.token); got != c.want {
			t.Errorf("%s, bound %v: %d, want %d", c.scheme, c.token == h.token, got, c.want)
		}
	}
}
