package token

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

type change = tokentest.Claims

func accepting(kinds ...Accept) func(*Issuer) {
	return func(i *Issuer) { i.Accept = kinds }
}

func TestVerifyFillsTheCredential(t *testing.T) {
	f := newFixture(t, func(i *Issuer) { i.DeviceClaim, i.TenantClaim = "device_id", "tid" })
	raw := f.Sign(f.Claims(api, start), change{
		"device_id": "phone", "tid": "acme", "acr": "mfa", "amr": []string{"pwd", "otp"}, "scope": "a  b",
		"scp": []string{"c"}, "aud": []string{"other", api}, "sub": "al\u00efce \"x\"", "roles": []string{"r 1", "r2"},
	})
	got, err := f.verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Credential
	for name, pair := range map[string][2]string{
		"iss": {c.Issuer, issuerURL}, "sub": {c.Subject, "al\u00efce \"x\""}, "client": {c.Client, "web"},
		"sid": {c.Session, "session-1"}, "jti": {c.TokenID, "token-1"}, "kid": {c.KeyID, "key-1"},
		"device": {c.Device, "phone"}, "tenant": {c.Tenant, "acme"}, "acr": {c.ACR, "mfa"},
		"amr": {strings.Join(c.AMR, "|"), "pwd|otp"}, "aud": {strings.Join(c.Audiences, "|"), "other|" + api},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s = %q, want %q", name, pair[0], pair[1])
		}
	}
	slices.Sort(c.Scope)
	if s := strings.Join(c.Scope, "|"); s != "a|b|c" {
		t.Errorf("scope = %q", s)
	}
	now := start.Unix()
	if c.IssuedAt != now-60 || c.AuthTime != now-60 || c.ExpiresAt != now+3600 {
		t.Errorf("instants are %d %d %d", c.IssuedAt, c.AuthTime, c.ExpiresAt)
	}
	if !(revocation.Target{Issuer: issuerURL, Session: "session-1"}).Matcher()(&c) {
		t.Error("the credential is not sealed")
	}
	if v, ok := got.Claim("roles"); !ok || v != `["r 1","r2"]` {
		t.Errorf("roles = %q %v", v, ok)
	}
	if _, ok := got.Claim("email"); ok {
		t.Error("a claim nobody asked for was kept")
	}
}

// defects are each enough to refuse a token of the strict kind.
var defects = map[string]change{
	"no iss":                {"iss": nil},
	"other iss":             {"iss": "https://evil.example.com"},
	"iss with slash":        {"iss": issuerURL + "/"},
	"no sub":                {"sub": nil},
	"empty sub":             {"sub": ""},
	"number sub":            {"sub": 7},
	"long sub":              {"sub": strings.Repeat("x", revocation.MaxSubject+1)},
	"no aud":                {"aud": nil},
	"null aud":              {"aud": json.RawMessage("null")},
	"empty aud":             {"aud": ""},
	"empty aud array":       {"aud": []string{}},
	"aud array with empty":  {"aud": []string{api, ""}},
	"aud array with number": {"aud": []any{api, 1}},
	"other aud":             {"aud": "https://other.example.com"},
	"aud in other case":     {"aud": strings.ToUpper(api)},
	"no client_id":          {"client_id": nil},
	"client_id is not azp":  {"azp": "mobile"},
	"no jti":                {"jti": nil},
	"empty jti":             {"jti": ""},
	"long jti":              {"jti": strings.Repeat("x", revocation.MaxID+1)},
	"number sid":            {"sid": 5},
	"sid in a list":         {"sid": []string{"session-1"}},
	"long sid":              {"sid": strings.Repeat("x", revocation.MaxID+1)},
	"number azp":            {"azp": 5},
	"number typ claim":      {"typ": 5},
	"no iat":                {"iat": nil},
	"string iat":            {"iat": "1795168740"},
	"zero iat":              {"iat": 0},
	"negative iat":          {"iat": -1},
	"future iat":            {"iat": start.Unix() + 3},
	"no exp":                {"exp": nil},
	"string exp":            {"exp": "1795172400"},
	"huge exp":              {"exp": json.RawMessage("1e300")},
	"overflowing exp":       {"exp": json.RawMessage("1e999")},
	"exp of 2^53":           {"exp": 1 << 53},
	"past exp":              {"exp": start.Unix() - 3},
	"exp before iat":        {"exp": start.Unix() - 61},
	"lives too long":        {"exp": start.Unix() - 60 + 28*3600 + 1},
	"future nbf":            {"nbf": start.Unix() + 3},
	"null nbf":              {"nbf": json.RawMessage("null")},
	"future auth_time":      {"auth_time": start.Unix() + 3},
	"string auth_time":      {"auth_time": "1795168740"},
	"null auth_time":        {"auth_time": json.RawMessage("null")},
	"zero auth_time":        {"auth_time": 0},
	"negative nbf":          {"nbf": -1},
	"string nbf":            {"nbf": "0"},
	"zero iat by exponent":  {"iat": json.RawMessage("1e-1")},
	"vast exponent":         {"exp": json.RawMessage("1e99999999999999999999")},
	"vast negative one":     {"nbf": json.RawMessage("1e-99999999999999999999")},
	"events":                {"events": map[string]any{}},
	"null events":           {"events": json.RawMessage("null")},
	"cnf":                   {"cnf": map[string]string{"jkt": "x"}},
	"null cnf":              {"cnf": json.RawMessage("null")},
	"case variant of sub":   {"SUB": "bob"},
	"long s in sub":         {"\u017fub": "bob"},
	"case variant of exp":   {"Exp": start.Unix() + 1000},
	"case variant of azp":   {"aZp": "web"},
	"case variant of kept":  {"Roles": "admin"},
	"deep":                  {"x": json.RawMessage(strings.Repeat("[", 40) + strings.Repeat("]", 40))},
	"nested duplicate":      {"x": json.RawMessage(`{"y":[{"a":1,"\u0061":2}]}`)},
	"lone surrogate":        {"x": json.RawMessage(`"\ud800"`)},
}

func TestEveryDefectIsRefused(t *testing.T) {
	f := newFixture(t)
	good := f.Claims(api, start)
	if _, err := f.verify(f.Sign(good)); err != nil {
		t.Fatalf("the token without a defect: %v", err)
	}
	for name, defect := range defects {
		t.Run(name, func(t *testing.T) {
			_, err := f.verify(sign(t, f.Key(), good, defect, nil))
			wantKind(t, err, Invalid)
		})
	}
}

// F7: two defects never cancel out.
func TestF7TwoDefectsAreRefused(t *testing.T) {
	f := newFixture(t)
	good := f.Claims(api, start)
	foreign := tokentest.NewKey(t, "key-1", "ES256")
	for name, one := range defects {
		for _, two := range defects {
			both := maps.Clone(one)
			maps.Copy(both, two)
			_, err := f.verify(sign(t, f.Key(), good, both, nil))
			wantKind(t, err, Invalid)
		}
		_, err := f.verify(sign(t, foreign, good, one, nil))
		wantKind(t, err, Invalid)
		_, err = f.verify(sign(t, f.Key(), good, one, map[string]any{"typ": "logout+jwt"}))
		wantKind(t, err, Invalid)
		if t.Failed() {
			t.Fatalf("with %q", name)
		}
	}
}

// A forged token is reported as forged, whatever else is wrong with it.
func TestF7TheGravestDefectIsReported(t *testing.T) {
	f := newFixture(t)
	foreign := tokentest.NewKey(t, "key-1", "ES256")
	_, err := f.verify(sign(t, foreign, f.Claims(api, start), defects["past exp"], nil))
	if e := wantKind(t, err, Invalid); e.Detail != "its signature is wrong" {
		t.Errorf("detail is %q", e.Detail)
	}
}

// sign writes members in order and by hand where encoding/json would not.
func sign(tb testing.TB, k tokentest.Key, c change, defect change, header map[string]any) string {
	tb.Helper()
	c = maps.Clone(c)
	for name, v := range defect {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	var b strings.Builder
	sep := "{"
	for name, v := range c {
		n, _ := json.Marshal(name)
		text, ok := v.(json.RawMessage)
		if !ok {
			text, _ = json.Marshal(v)
		}
		b.WriteString(sep + string(n) + ":" + string(text))
		sep = ","
	}
	return k.Sign(tb, []byte(b.String()+"}"), header)
}

func TestHeaders(t *testing.T) {
	f := newFixture(t)
	foreign := tokentest.NewKey(t, "key-1", "ES256")
	good := f.Claims(api, start)
	for name, c := range map[string]struct {
		header map[string]any
		ok     bool
	}{
		"at+jwt":             {nil, true},
		"AT+JWT":             {map[string]any{"typ": "AT+JWT"}, true},
		"application/at+jwt": {map[string]any{"typ": "application/At+Jwt"}, true},
		"x5t":                {map[string]any{"x5t": "AAAA"}, true},
		"typ with parameter": {map[string]any{"typ": "at+jwt; v=1"}, false},
		"typ JWT":            {map[string]any{"typ": "JWT"}, false},
		"no typ":             {map[string]any{"typ": nil}, false},
		"logout+jwt":         {map[string]any{"typ": "logout+jwt"}, false},
		"secevent+jwt":       {map[string]any{"typ": "secevent+jwt"}, false},
		"dpop+jwt":           {map[string]any{"typ": "dpop+jwt"}, false},
		"empty kid":          {map[string]any{"kid": ""}, false},
		"long kid":           {map[string]any{"kid": strings.Repeat("k", revocation.MaxID+1)}, false},
		"unknown kid":        {map[string]any{"kid": "key-2"}, false},
		"crit":               {map[string]any{"crit": []string{"exp"}, "exp": 1}, false},
		"b64":                {map[string]any{"b64": true}, false},
		"zip":                {map[string]any{"zip": "DEF"}, false},
		"cty":                {map[string]any{"cty": "JWT"}, false},
		"enc":                {map[string]any{"enc": "A128GCM"}, false},
		"jku":                {map[string]any{"jku": "https://evil.example.com/jwks"}, true},
		"x5u":                {map[string]any{"x5u": "https://evil.example.com/x"}, true},
		"jwk":                {map[string]any{"jwk": f.Key().Public()}, true},
		"null jku":           {map[string]any{"jku": json.RawMessage("null")}, true},
		"unreadable x5c":     {map[string]any{"x5c": "AAAA"}, true},
		"unreadable chain":   {map[string]any{"x5c": []string{"AAAA"}}, true},
		"x5c of another key": {map[string]any{"x5c": []string{selfSigned(t, foreign)}}, true},
		"jwk of another key": {map[string]any{"jwk": foreign.Public()}, true},
		"unreadable jwk":     {map[string]any{"jwk": "AAAA"}, true},
		"private jwk":        {map[string]any{"jwk": map[string]string{"kty": "oct", "k": "AAAA"}}, true},
		"nonce":              {map[string]any{"nonce": 7}, true},
		"a vast number":      {map[string]any{"x": json.RawMessage("1e999")}, true},
		"case variant jku":   {map[string]any{"JKU": "https://evil.example.com/jwks"}, false},
		"null crit":          {map[string]any{"crit": json.RawMessage("null")}, false},
		"case variant":       {map[string]any{"KID": "key-1"}, false},
		"case variant crit":  {map[string]any{"Crit": nil, "CRIT": []string{"x"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.verify(sign(t, f.Key(), good, nil, c.header))
			if c.ok && err != nil {
				t.Fatal(err)
			}
			if !c.ok {
				wantKind(t, err, Invalid)
			}
		})
	}
}

// Keys that a header brings or names are neither trusted nor asked for.
func TestAHeaderBringsNoKey(t *testing.T) {
	f := newFixture(t)
	foreign := tokentest.NewKey(t, "key-1", "ES256")
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{foreign.Public()}})
	}))
	defer server.Close()
	good := f.Claims(api, start)
	for name, header := range map[string]map[string]any{
		"jku": {"jku": server.URL + "/jku"},
		"x5u": {"x5u": server.URL + "/x5u"},
		"jwk": {"jwk": foreign.Public()},
		"x5c": {"x5c": []string{selfSigned(t, foreign)}},
		"all": {"jku": server.URL + "/jku", "x5u": server.URL + "/x5u", "jwk": foreign.Public(), "x5c": []string{selfSigned(t, foreign)}},
	} {
		if _, err := f.verify(sign(t, f.Key(), good, nil, header)); err != nil {
			t.Errorf("%s, signed by the issuer: %v", name, err)
		}
		_, err := f.verify(sign(t, foreign, good, nil, header))
		if e := wantKind(t, err, Invalid); e.Detail != "its signature is wrong" {
			t.Errorf("%s, signed by another: %v", name, err)
		}
	}
	if asked != nil {
		t.Errorf("asked for %q", asked)
	}
}

// selfSigned is the certificate of a key, as in x5c.
func selfSigned(t *testing.T, k tokentest.Key) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Signer.Public(), k.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// A claim that the token can do less without does not void it. A claim that
// revocations look for does, unless nothing is in it.
func TestAnOptionalClaimOfAWrongType(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, c := range []struct {
		claim  string
		values []any
		ok     bool
	}{
		{"acr", []any{1, true, raw("null"), []string{"mfa"}, change{"a": 1}}, true},
		{"amr", []any{"pwd", 1, raw("null"), []any{change{"method": "pwd"}}, []any{"pwd", 1}, change{"a": 1}}, true},
		{"scope", []any{1, raw("null"), []any{"a", 1}, change{"a": 1}}, true},
		{"scp", []any{1, raw("null"), []any{"a", 1}}, true},
		{"sid", []any{"", raw("null")}, true},
		{"azp", []any{"", raw("null")}, true},
		{"device_id", []any{"", raw("null")}, true},
		{"tid", []any{"", raw("null")}, true},
		{"nonce", []any{1, raw("null"), []string{"n"}}, true},
		{"_claim_names", []any{1, change{"a": "b"}}, true},
		{"_claim_sources", []any{1, change{"a": 1}}, true},
		{"name", []any{1, raw("null"), []string{"n"}, raw("1e999")}, true},
		{"sid", []any{5, true, []string{"session-1"}, change{"a": 1}}, false},
		{"azp", []any{5, []string{"web"}}, false},
		{"device_id", []any{5, []string{"phone"}, strings.Repeat("x", revocation.MaxID+1)}, false},
		{"tid", []any{5, change{"a": 1}}, false},
		{"jti", []any{5, []string{"token-1"}}, false},
		{"client_id", []any{5, []string{"web"}}, false},
		{"auth_time", []any{"1795168740", raw("null"), 0, -1, []int64{1795168740}, "2026-11-20T10:00:00Z"}, false},
		{"nbf", []any{"0", raw("null"), -1, true}, false},
		{"typ", []any{5, raw("null")}, false},
	} {
		f := newFixture(t, func(i *Issuer) { i.DeviceClaim, i.TenantClaim = "device_id", "tid" })
		for _, v := range c.values {
			got, err := f.verify(sign(t, f.Key(), f.Claims(api, start), change{c.claim: v}, nil))
			switch {
			case !c.ok:
				if e := wantKind(t, err, Invalid); !strings.HasPrefix(e.Detail, "claims: "+c.claim+" is not ") {
					t.Errorf("%s = %v: the error does not name the claim: %v", c.claim, v, err)
				}
			case err != nil:
				t.Errorf("%s = %v: %v", c.claim, v, err)
			case !strings.HasPrefix(c.claim, "_") && c.claim != "nonce" && c.claim != "name" && !slices.Equal(got.Ignored(), []string{c.claim}):
				t.Errorf("%s = %v: ignored is %q", c.claim, v, got.Ignored())
			}
			if err != nil {
				continue
			}
			if cr := &got.Credential; cr.ACR+cr.Device+cr.Tenant != "" || len(cr.AMR)+len(cr.Scope) > 0 || c.claim == "sid" && cr.Session != "" {
				t.Errorf("%s = %v was read: %+v", c.claim, v, cr)
			}
		}
	}
}

// An access token does not become an ID token by a mark that can't be read, and
// nothing becomes an access token by one.
func TestAMarkThatCantBeRead(t *testing.T) {
	for _, mark := range []change{
		{"scope": json.RawMessage("null")}, {"scope": 1}, {"scp": 1}, {"client_id": ""}, {"client_id": json.RawMessage("null")},
	} {
		token := change{"aud": "web", "client_id": nil, "jti": nil}
		maps.Copy(token, mark)
		for _, kind := range []Accept{IDToken, AccessTokenLenient} {
			f := newFixture(t, accepting(kind), func(i *Issuer) { i.Audiences = append(i.Audiences, "web") })
			_, err := f.verify(sign(t, f.Key(), f.Claims(api, start), token, map[string]any{"typ": "JWT"}))
			wantKind(t, err, Invalid)
		}
	}
}

func TestKindsExcludeEachOther(t *testing.T) {
	access := change{"scope": "a"}
	id := change{"aud": "web", "client_id": nil, "jti": nil, "nonce": "n"}
	withOnly := func(c change) change {
		return change{"client_id": nil, "jti": nil, "azp": c["azp"], "scope": c["scope"]}
	}
	jwt := map[string]any{"typ": "JWT"}
	none := map[string]any{"typ": nil}
	for _, c := range []struct {
		name   string
		accept []Accept
		claims change
		header map[string]any
		ok     bool
	}{
		{"typed access token", nil, access, nil, true},
		{"untyped access token, strict", nil, access, jwt, false},
		{"untyped access token, lenient", []Accept{AccessTokenLenient}, access, jwt, true},
		{"typed access token, lenient", []Accept{AccessTokenLenient}, change{"client_id": nil, "jti": nil}, nil, true},
		{"nothing but a foreign azp, lenient", []Accept{AccessTokenLenient}, withOnly(change{"azp": "web"}), none, true},
		{"nothing but scope, lenient", []Accept{AccessTokenLenient}, withOnly(change{"scope": ""}), none, true},
		{"nothing, lenient", []Accept{AccessTokenLenient}, withOnly(change{}), none, false},
		{"at_hash, lenient", []Accept{AccessTokenLenient}, change{"at_hash": "x"}, none, false},
		{"typ claim Bearer, lenient", []Accept{AccessTokenLenient}, change{"typ": "Bearer"}, jwt, true},
		{"typ claim ID, lenient", []Accept{AccessTokenLenient}, change{"typ": "ID"}, jwt, false},
		{"typ claim Refresh, lenient", []Accept{AccessTokenLenient}, change{"typ": "Refresh"}, jwt, false},
		{"logout token, lenient", []Accept{AccessTokenLenient}, access, map[string]any{"typ": "logout+jwt"}, false},
		{"ID token, lenient", []Accept{AccessTokenLenient}, id, jwt, false},
		{"ID token for the audience, lenient", []Accept{AccessTokenLenient}, change{"client_id": nil, "azp": nil}, jwt, false},
		{"ID token, strict", nil, id, jwt, false},
		{"ID token", []Accept{IDToken}, id, jwt, true},
		{"ID token without typ", []Accept{IDToken}, id, none, true},
		{"ID token with typ at+jwt", []Accept{IDToken}, id, nil, false},
		{"ID token of another client", []Accept{IDToken}, change{"aud": "else", "client_id": nil}, jwt, false},
		{"ID token, azp another client", []Accept{IDToken}, change{"aud": "web", "client_id": nil, "azp": "else"}, jwt, false},
		{"ID token, two audiences with azp", []Accept{IDToken}, change{"aud": []string{"web", "mobile"}, "client_id": nil, "azp": "web"}, jwt, true},
		{"ID token, two audiences without azp", []Accept{IDToken}, change{"aud": []string{"web", "mobile"}, "client_id": nil}, jwt, false},
		{"ID token, untrusted audience", []Accept{IDToken}, change{"aud": []string{"web", "else"}, "client_id": nil, "azp": "web"}, jwt, false},
		{"access token as ID token", []Accept{IDToken}, access, jwt, false},
		{"access token for a client as ID token", []Accept{IDToken}, change{"aud": "web", "scope": "a"}, jwt, false},
		{"both: access token", []Accept{AccessTokenLenient, IDToken}, access, jwt, true},
		{"both: ID token", []Accept{AccessTokenLenient, IDToken}, id, jwt, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, accepting(c.accept...))
			got, err := f.verify(sign(t, f.Key(), f.Claims(api, start), c.claims, c.header))
			if !c.ok {
				wantKind(t, err, Invalid)
			} else if err != nil {
				t.Fatal(err)
			} else if got.Credential.Client != "web" && c.claims["client_id"] != nil {
				t.Errorf("client is %q", got.Credential.Client)
			}
		})
	}
}

func TestAnotherClaimThanAudNamesTheAudience(t *testing.T) {
	// As Cognito makes them: an access token has no aud, an ID token no client_id.
	access := change{"aud": nil, "client_id": "web", "scope": "a", "token_use": "access"}
	id := change{"aud": "web", "client_id": nil, "jti": nil, "token_use": "id"}
	with := func(c, d change) change {
		c = maps.Clone(c)
		maps.Copy(c, d)
		return c
	}
	for _, c := range []struct {
		name, claim string
		claims      change
		want        string // of the error
		audiences   []string
	}{
		{"no aud", "client_id", access, "", []string{"web"}},
		{"no aud, and no such option", "", access, "no audience: it has no aud", nil},
		{"another client", "client_id", with(access, change{"client_id": "mobile"}), "it is for another audience", nil},
		{"no client", "client_id", with(access, change{"client_id": nil}), "no audience: it has no client_id", nil},
		{"an empty one", "client_id", with(access, change{"client_id": ""}), "no audience: it has no client_id", nil},
		{"another claim", "resource", with(access, change{"resource": "web"}), "", []string{"web"}},
		{"another claim with several", "resource", with(access, change{"resource": []string{"x", "web"}}), "", []string{"x", "web"}},
		{"another claim with another", "resource", with(access, change{"resource": "x"}), "it is for another audience", nil},
		{"another claim of a wrong type", "resource", with(access, change{"resource": 5}), "claims: resource is not ", nil},
		{"another claim with an empty one", "resource", with(access, change{"resource": []string{"web", ""}}), "claims: resource is not ", nil},
		{"another claim in another case", "resource", with(access, change{"Resource": "web"}), "claims: resource is written in another case", nil},
		{"aud does not stand for it", "resource", with(access, change{"aud": "web"}), "no audience: it has no resource", nil},
		{"aud is not looked at", "resource", with(access, change{"aud": "account", "resource": "web"}), "", []string{"web"}},
		{"an ID token has aud", "client_id", id, "", []string{"web"}},
		{"an ID token without aud", "client_id", with(id, change{"aud": nil}), "no audience: an ID token", nil},
		{"an ID token of another", "client_id", with(id, change{"aud": "x"}), "not trusted", nil},
	} {
		f := newFixture(t, accepting(AccessTokenLenient, IDToken), func(i *Issuer) {
			i.Audiences, i.Clients, i.AudienceClaim = []string{"web"}, []string{"web"}, c.claim
		})
		got, err := f.verify(sign(t, f.Key(), f.Claims(api, start), c.claims, map[string]any{"typ": nil}))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "" && !slices.Equal(got.Credential.Audiences, c.audiences):
			t.Errorf("%s: its audiences are %q", c.name, got.Credential.Audiences)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestAnotherClaimThanSubNamesThePerson(t *testing.T) {
	id := change{"aud": "web", "client_id": nil, "scope": nil, "oid": "alice"}
	for _, c := range []struct {
		name   string
		claims change
		want   string // of the error
	}{
		{"it", change{"sub": "pairwise", "oid": "alice"}, ""},
		{"none", change{"sub": "pairwise"}, "it has no oid, which subject_claim names"},
		{"an empty one", change{"oid": ""}, "claims: oid is not "},
		{"null", change{"oid": nil, "sub": "pairwise"}, "it has no oid"},
		{"a number", change{"oid": 5}, "claims: oid is not "},
		{"a list", change{"oid": []string{"alice"}}, "claims: oid is not "},
		{"one that is too long", change{"oid": strings.Repeat("a", revocation.MaxSubject+1)}, "claims: oid is not "},
		{"another case beside it", change{"oid": "alice", "OID": "bob"}, "claims: oid is written in another case"},
		{"no sub", change{"sub": nil, "oid": "alice"}, "no sub"},
		{"an ID token", id, ""},
	} {
		f := newFixture(t, accepting(AccessTokenLenient, IDToken), func(i *Issuer) {
			i.Clients, i.SubjectClaim = []string{"web"}, "oid"
		})
		raw := sign(t, f.Key(), f.Claims(api, start), c.claims, map[string]any{"typ": nil})
		got, err := f.verify(raw)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "" && got.Credential.Subject != "alice":
			t.Errorf("%s: the subject is %q", c.name, got.Credential.Subject)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSoleAudienceOfAnIDTokenIsItsClient(t *testing.T) {
	f := newFixture(t, accepting(IDToken))
	got, err := f.verify(sign(t, f.Key(), f.Claims("mobile", start), change{"client_id": nil}, map[string]any{"typ": "JWT"}))
	if err != nil || got.Credential.Client != "mobile" {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestInstants(t *testing.T) {
	now := start.Unix()
	for _, c := range []struct {
		name   string
		claims change
		ok     bool
	}{
		{"iat now plus skew", change{"iat": now + 2}, true},
		{"auth_time now plus skew", change{"auth_time": now + 2}, true},
		{"nbf now plus skew", change{"nbf": now + 2}, true},
		{"exp within skew", change{"exp": now - 1}, true},
		{"exp at the end of skew", change{"exp": now - 2}, false},
		{"fractional iat is rounded down", change{"iat": json.RawMessage("1795168802.9999999999999999")}, true},
		{"iat in exponent form", change{"iat": json.RawMessage("1.7951687e9")}, true},
		{"instants with fractions in exponent form", change{
			"iat": json.RawMessage("1.795168740123E9"), "exp": json.RawMessage("1.795168860987E+9"), "auth_time": json.RawMessage("17951687401.23e-1"),
		}, true},
		{"exponent form is rounded down", change{"iat": json.RawMessage("1.7951688029999999999999999E9")}, true},
		{"exponent form in the future", change{"iat": json.RawMessage("1.795168803E9")}, false},
		{"nbf 0", change{"nbf": 0}, true},
		{"nbf 0 in exponent form", change{"nbf": json.RawMessage("0E0")}, true},
		{"longest life", change{"exp": now - 60 + 28*3600}, true},
		{"leeway does not lengthen the longest life", change{"iat": now - 28*3600 - 1, "exp": now - 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.verify(sign(t, f.Key(), f.Claims(api, start), c.claims, nil))
			if c.ok != (err == nil) {
				t.Errorf("got %v, want ok %v", err, c.ok)
			}
		})
	}
}

func TestRequireAuthTime(t *testing.T) {
	f := newFixture(t, func(i *Issuer) { i.RequireAuthTime = true })
	_, err := f.verify(f.Sign(f.Claims(api, start), change{"auth_time": nil}))
	wantKind(t, err, Invalid)
	if _, err := f.verify(f.Sign(f.Claims(api, start))); err != nil {
		t.Fatal(err)
	}
}

// The client of a token is what the first of the configured claims holds that it
// has.
func TestTheClientIsInTheFirstClaimThatIsThere(t *testing.T) {
	none := change{"client_id": nil, "azp": nil}
	with := func(c change) change { return merged(none, c) }
	for _, c := range []struct {
		name   string
		named  []string
		accept Accept
		claims change
		want   string
		ok     bool
	}{
		{"client_id by default", nil, AccessTokenLenient, with(change{"client_id": "a"}), "a", true},
		{"azp by default", nil, AccessTokenLenient, with(change{"azp": "a"}), "a", true},
		{"no client", nil, AccessTokenLenient, with(change{"cid": "a"}), "", true},
		{"both by default, which differ", nil, AccessTokenLenient, with(change{"client_id": "a", "azp": "b"}), "", false},
		{"cid", []string{"cid", "client_id"}, AccessTokenLenient, with(change{"cid": "a"}), "a", true},
		{"the first", []string{"cid", "client_id"}, AccessTokenLenient, with(change{"client_id": "b", "cid": "a"}), "a", true},
		{"the second", []string{"cid", "client_id"}, AccessTokenLenient, with(change{"client_id": "b"}), "b", true},
		{"azp first", []string{"azp", "client_id"}, AccessTokenLenient, with(change{"client_id": "b", "azp": "a"}), "a", true},
		{"one that is not named", []string{"cid"}, AccessTokenLenient, with(change{"client_id": "b", "azp": "b"}), "", true},
		{"the first is empty", []string{"cid", "client_id"}, AccessTokenLenient, with(change{"cid": "", "client_id": "b"}), "b", true},
		{"a number", []string{"cid"}, AccessTokenLenient, with(change{"cid": 7}), "", false},
		{"in the wrong case", []string{"cid"}, AccessTokenLenient, with(change{"CID": "a"}), "", false},
		{"strict", []string{"cid"}, AccessToken, with(change{"cid": "a"}), "a", true},
		{"strict, without", []string{"cid"}, AccessToken, with(change{"client_id": "a"}), "", false},
		{"strict, azp is not enough by default", nil, AccessToken, with(change{"azp": "a"}), "", false},
		{"an ID token's azp", []string{"cid"}, IDToken, with(change{"aud": "web", "azp": "web"}), "web", true},
		{"an ID token's audience", []string{"cid"}, IDToken, with(change{"aud": "web"}), "web", true},
		{"an ID token's own claim", []string{"cid"}, IDToken, with(change{"aud": "web", "cid": "a"}), "a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, accepting(c.accept), func(i *Issuer) { i.ClientClaims = c.named })
			claims, header := merged(change{"scope": "a"}, c.claims), map[string]any(nil)
			if c.accept == IDToken {
				claims["scope"], header = nil, map[string]any{"typ": "JWT"}
			}
			got, err := f.verify(sign(t, f.Key(), f.Claims(api, start), claims, header))
			switch {
			case !c.ok:
				wantKind(t, err, Invalid)
			case err != nil:
				t.Fatal(err)
			case got.Credential.Client != c.want:
				t.Errorf("the client is %q, want %q", got.Credential.Client, c.want)
			}
		})
	}
}

func merged(a, b change) change {
	c := maps.Clone(a)
	maps.Copy(c, b)
	return c
}

// A client that acts for itself never signed in, so its tokens can't tell when.
// Nobody else's may lack the auth_time.
func TestAMachineNeedsNoAuthTime(t *testing.T) {
	jwt := map[string]any{"typ": "JWT"}
	for _, c := range []struct {
		name   string
		claims change
		header map[string]any
		want   revocation.TokenType
		ok     bool
	}{
		{"a person", change{}, nil, revocation.AccessToken, true},
		{"a person without auth_time", change{"auth_time": nil}, nil, 0, false},
		{"the subject is the client", change{"auth_time": nil, "sub": "web"}, nil, revocation.MachineToken, true},
		{"the same with an auth_time", change{"sub": "web"}, nil, revocation.AccessToken, true},
		{"a named client", change{"auth_time": nil, "client_id": "batch", "sub": "service-account-7"}, nil, revocation.MachineToken, true},
		{"a named client with an auth_time", change{"client_id": "batch"}, nil, revocation.AccessToken, true},
		{"a subject that is called like a named client", change{"auth_time": nil, "sub": "batch"}, nil, 0, false},
		{"an ID token", change{"aud": "web", "client_id": nil}, jwt, revocation.IDToken, true},
		{"an ID token whose subject is its client", change{"auth_time": nil, "aud": "web", "sub": "web", "client_id": nil}, jwt, 0, false},
		{"no client at all", change{"auth_time": nil, "client_id": nil, "azp": nil, "scope": "a"}, jwt, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, accepting(AccessTokenLenient, IDToken), func(i *Issuer) {
				i.RequireAuthTime, i.MachineClients = true, []string{"batch"}
			})
			got, err := f.verify(sign(t, f.Key(), f.Claims(api, start), c.claims, c.header))
			switch {
			case !c.ok:
				wantKind(t, err, Invalid)
			case err != nil:
				t.Fatal(err)
			case got.Type != c.want:
				t.Errorf("type %d, want %d", got.Type, c.want)
			}
		})
	}
}

func TestAlgorithmsOfTheIssuer(t *testing.T) {
	f := newFixture(t, func(i *Issuer) { i.Algorithms = []string{"RS256"} })
	_, err := f.verify(f.Sign(f.Claims(api, start)))
	wantKind(t, err, Invalid)
}

func TestNotReadyIssuerLeavesOthersAlone(t *testing.T) {
	up, down := tokentest.New(t, issuerURL), tokentest.New(t, "https://down.example.com")
	conf := func(i *tokentest.Issuer) Issuer {
		return Issuer{Issuer: revocation.Issuer{URL: i.URL}, Audiences: []string{api}}
	}
	v := newTestVerifier(t, VerifierConfig{Issuers: []IssuerKeys{
		{conf(up), staticKeys(t, up, start)},
		{conf(down), NewKeySet(down.URL, KeySetOptions{})},
	}})
	_, _, err := v.Verify(context.Background(), down.Sign(down.Claims(api, start)), start)
	wantKind(t, err, NotReady)
	if _, _, err := v.Verify(context.Background(), up.Sign(up.Claims(api, start)), start); err != nil {
		t.Fatal(err)
	}
}

func TestStaleKeysAreNotReady(t *testing.T) {
	f := newFixture(t)
	later := start.Add(DefaultJWKSMaxStale + 1)
	_, _, err := f.v.Verify(context.Background(), f.Sign(f.Claims(api, later)), later)
	wantKind(t, err, NotReady)
}

func TestNewVerifierRefuses(t *testing.T) {
	keys := NewKeySet(issuerURL, KeySetOptions{})
	good := Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}
	with := func(f func(*Issuer)) Issuer { i := good; f(&i); return i }
	for name, c := range map[string]VerifierConfig{
		"no audience":    {Issuers: []IssuerKeys{{with(func(i *Issuer) { i.Audiences = nil }), keys}}},
		"no keys":        {Issuers: []IssuerKeys{{good, nil}}},
		"foreign keys":   {Issuers: []IssuerKeys{{good, NewKeySet("https://x", KeySetOptions{})}}},
		"issuer twice":   {Issuers: []IssuerKeys{{good, keys}, {good, keys}}},
		"SUB as device":  {Issuers: []IssuerKeys{{with(func(i *Issuer) { i.DeviceClaim = "SUB" }), keys}}},
		"empty claim":    {Issuers: []IssuerKeys{{good, keys}}, Claims: []string{""}},
		"claims by case": {Issuers: []IssuerKeys{{good, keys}}, Claims: []string{"Role", "role"}},
	} {
		if _, err := NewVerifier(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestErrorsHoldNothingOfTheToken(t *testing.T) {
	f := newFixture(t)
	const canary = "canary0123456789"
	for name, raw := range map[string]string{
		"garbage": canary, "three": canary + "." + canary + "." + canary,
		"claims": f.Sign(f.Claims(api, start), change{"sub": canary, "aud": canary}),
		"header": sign(t, f.Key(), f.Claims(api, start), nil, map[string]any{"kid": canary, "typ": canary}),
		"date":   sign(t, f.Key(), f.Claims(api, start), change{"exp": canary}, nil),
		"issuer": f.Sign(f.Claims(api, start), change{"iss": canary}),
	} {
		_, err := f.verify(raw)
		if err == nil || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyStopsWaitingWithTheCaller(t *testing.T) {
	i := tokentest.New(t, issuerURL)
	s := staticKeys(t, i, time.Now())
	s.stopped = false // nobody runs it, so the wait would be long
	v := newTestVerifier(t, VerifierConfig{Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, s}}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	i.Rotate(tokentest.NewKey(t, "key-2", "ES256"))
	_, _, err := v.Verify(ctx, i.Sign(i.Claims(api, time.Now())), time.Now())
	wantKind(t, err, Invalid)
}
