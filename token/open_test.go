package token

import (
	"context"
	"encoding/json"
	"testing"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func (f fixture) open(raw string) (*Opened, error) {
	return f.v.Open(context.Background(), raw, start)
}

// otherKinds are tokens that the issuer signs and that are no credentials.
func otherKinds(t *testing.T, f fixture) map[string]string {
	event := map[string]any{"https://events.example.com/e": map[string]any{}}
	return map[string]string{
		"logout token": sign(t, f.Key(), tokentest.Claims{
			"iss": issuerURL, "aud": "web", "sid": "session-1", "jti": "l", "iat": start.Unix(), "exp": start.Unix() + 120, "events": event,
		}, nil, map[string]any{"typ": "logout+jwt"}),
		"security event token": sign(t, f.Key(), tokentest.Claims{
			"iss": issuerURL, "aud": []string{"receiver"}, "jti": "s", "iat": start.Unix(), "events": event,
			"sub_id": map[string]any{"format": "opaque", "id": "x"},
		}, nil, map[string]any{"typ": "secevent+jwt"}),
		"assertion": sign(t, f.Key(), tokentest.Claims{
			"iss": issuerURL, "aud": "web", "exp": start.Unix() + 60,
		}, nil, map[string]any{"typ": "oauth-authz-req+jwt"}),
	}
}

func TestATokenOfAnotherKindOpensAndIsNoCredential(t *testing.T) {
	f := newFixture(t, func(i *Issuer) { i.Accept = []Accept{AccessTokenLenient, IDToken} })
	for name, raw := range otherKinds(t, f) {
		o, err := f.open(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o.Issuer() != issuerURL || o.KeyID() != "key-1" || o.Type() == "" {
			t.Errorf("%s: opened as %q %q %q", name, o.Issuer(), o.KeyID(), o.Type())
		}
		_, err = o.Judge(start)
		wantKind(t, err, Invalid)
		_, err = o.IDToken(start)
		wantKind(t, err, Invalid)
		_, err = f.verify(raw)
		wantKind(t, err, Invalid)
	}
}

func TestOnlyATokenWithItsSignatureOpens(t *testing.T) {
	f := newFixture(t)
	stranger := tokentest.NewKey(t, "key-1", "ES256")
	good := f.Sign(f.Claims(api, start))
	for name, raw := range map[string]string{
		"forged":         stranger.Sign(t, []byte(`{"iss":"`+issuerURL+`"}`), nil),
		"another issuer": f.Sign(f.Claims(api, start), change{"iss": "https://evil.example.com"}),
		"another kid":    f.Key().Sign(t, []byte(`{"iss":"`+issuerURL+`"}`), map[string]any{"kid": "other"}),
		"cut":            good[:len(good)-4],
		"empty":          "",
	} {
		o, err := f.open(raw)
		wantKind(t, err, Invalid)
		if o != nil {
			t.Errorf("%s: opened", name)
		}
	}
	if o, err := f.open(good); err != nil || o.Claim("client_id") != `"web"` || o.Claim("none") != "" {
		t.Errorf("got %v", err)
	}
}

func TestAnOpenedTokenIsReadAsItWasSent(t *testing.T) {
	f := newFixture(t)
	o, err := f.open(f.Sign(f.Claims(api, start), change{"nonce": "n\u00e9", "x": []any{1, "a"}, "at": json.RawMessage("1.5e3")}))
	if err != nil {
		t.Fatal(err)
	}
	if nonce, ok := o.Claim("nonce").Text(); !ok || nonce != "n\u00e9" {
		t.Errorf("nonce is %q %v", nonce, ok)
	}
	if x := o.Claim("x"); x != `[1,"a"]` {
		t.Errorf("x is %s", x)
	}
	if at, ok := o.Date("at"); !ok || at != 1500 {
		t.Errorf("at is %d %v", at, ok)
	}
	for _, name := range []string{"nonce", "none"} {
		if at, ok := o.Date(name); ok {
			t.Errorf("%s is %d", name, at)
		}
	}
}

// Sign-in needs ID tokens of an issuer whose guards take access tokens alone.
func TestAnIDTokenIsJudgedWhateverGuardsTake(t *testing.T) {
	f := newFixture(t)
	id := tokentest.Claims{"iss": issuerURL, "sub": "alice", "aud": "web", "iat": start.Unix(), "exp": start.Unix() + 60, "nonce": "n"}
	for name, c := range map[string]struct {
		change change
		typ    any
		ok     bool
	}{
		"an ID token":           {nil, "JWT", true},
		"without typ":           {nil, nil, true},
		"of a service":          {change{"aud": []string{"web", api}, "azp": "web"}, "JWT", true},
		"an access token":       {nil, "at+jwt", false},
		"with scope":            {change{"scope": "a"}, "JWT", false},
		"for another client":    {change{"aud": "other"}, "JWT", false},
		"by another party":      {change{"azp": "other"}, "JWT", false},
		"with events":           {change{"events": map[string]any{}}, "JWT", false},
		"expired":               {change{"exp": start.Unix() - 3}, "JWT", false},
		"without subject":       {change{"sub": nil}, "JWT", false},
		"for several, no party": {change{"aud": []string{"web", api}}, "JWT", false},
	} {
		o, err := f.open(sign(t, f.Key(), id, c.change, map[string]any{"typ": c.typ}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := o.IDToken(start)
		if c.ok != (err == nil) || c.ok && (got.Type != revocation.IDToken || got.Credential.Client != "web") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A judge of another room must not make a flood of its refused tokens dearer
// than it has to be.
func TestTheSignatureOfARefusedTokenIsCheckedOnce(t *testing.T) {
	f := newFixture(t)
	for name, raw := range otherKinds(t, f) {
		o, err := f.open(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, known := o.issuer.checked.recall(raw, o.key); known {
			t.Errorf("%s: known before it was refused", name)
		}
		refused := wantKind(t, o.Refuse("it is not wanted"), Invalid)
		if refused.Detail != "it is not wanted" || refused.Issuer != issuerURL {
			t.Errorf("%s: got %+v", name, refused)
		}
		if signed, known := o.issuer.checked.recall(raw, o.key); !signed || !known {
			t.Errorf("%s: its signature is checked again", name)
		}
	}
}
