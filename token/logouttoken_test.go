package token

import (
	"encoding/json"
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

// BCL section 2.6, and R11 of the threats: each rule refuses what breaks it alone.
func TestALogoutTokenKeepsEveryRule(t *testing.T) {
	f := newFixture(t, accepting(AccessTokenLenient, IDToken), func(i *Issuer) { i.Clients = []string{"mobile"} })
	events := func(v any) change { return change{"events": v} }
	logout := map[string]any{logoutEvent: map[string]any{}}
	at := start.Unix()
	for name, c := range map[string]struct {
		claims change
		typ    any
		want   string // of the error; empty: it is accepted
	}{
		"a session":                        {nil, "logout+jwt", ""},
		"a person":                         {change{"sid": nil, "sub": "alice"}, "logout+jwt", ""},
		"both":                             {change{"sub": "alice"}, "logout+jwt", ""},
		"without typ":                      {nil, nil, ""},
		"typ JWT":                          {nil, "JWT", ""},
		"typ in full":                      {nil, "application/logout+jwt", ""},
		"two clients of ours":              {change{"aud": []string{"other", "web"}}, "logout+jwt", ""},
		"another event beside it":          {events(map[string]any{logoutEvent: map[string]any{}, "https://x.example.com": 1}), "logout+jwt", ""},
		"something in the event":           {events(map[string]any{logoutEvent: map[string]any{"x": 1}}), "logout+jwt", ""},
		"5 minutes old":                    {change{"iat": at - 299, "exp": at + 300}, "logout+jwt", ""},
		"typ of an access token":           {nil, "at+jwt", "another kind"},
		"typ of an event":                  {nil, "secevent+jwt", "another kind"},
		"no events":                        {events(nil), "logout+jwt", "events"},
		"null events":                      {change{"events": json.RawMessage("null")}, "logout+jwt", "events"},
		"an event as text":                 {events(logoutEvent), "logout+jwt", "events"},
		"a list of events":                 {events([]string{logoutEvent}), "logout+jwt", "events"},
		"another event":                    {events(map[string]any{"https://x.example.com": map[string]any{}}), "logout+jwt", "events"},
		"https":                            {events(map[string]any{strings.Replace(logoutEvent, "http", "https", 1): map[string]any{}}), "logout+jwt", "events"},
		"an event that is text":            {events(map[string]any{logoutEvent: ""}), "logout+jwt", "events"},
		"an event that is null":            {events(map[string]any{logoutEvent: nil}), "logout+jwt", "events"},
		"an event that is a list":          {events(map[string]any{logoutEvent: []int{}}), "logout+jwt", "events"},
		"a nonce":                          {change{"nonce": "n"}, "logout+jwt", "nonce"},
		"an empty nonce":                   {change{"nonce": ""}, "logout+jwt", "nonce"},
		"no aud":                           {change{"aud": nil}, "logout+jwt", "no audience"},
		"another client":                   {change{"aud": "mobile"}, "logout+jwt", "another client"},
		"a client that is not ours beside": {change{"aud": []string{"web", "mobile"}}, "logout+jwt", "not trusted"},
		"no jti":                           {change{"jti": nil}, "logout+jwt", "no jti"},
		"nobody":                           {change{"sid": nil}, "logout+jwt", "neither"},
		"an empty sid beside a sub":        {change{"sid": "", "sub": "alice"}, "logout+jwt", "sid is empty"},
		"a sid that is a number":           {change{"sid": 5, "sub": "alice"}, "logout+jwt", "sid is not"},
		"an empty sub":                     {change{"sub": ""}, "logout+jwt", "sub is not"},
		"no iat":                           {change{"iat": nil}, "logout+jwt", "no iat or no exp"},
		"no exp":                           {change{"exp": nil}, "logout+jwt", "no iat or no exp"},
		"iat in the future":                {change{"iat": at + 30}, "logout+jwt", "in the future"},
		"nbf in the future":                {change{"nbf": at + 30}, "logout+jwt", "in the future"},
		"expired":                          {change{"iat": at - 60, "exp": at - 30}, "logout+jwt", "expired"},
		"exp before iat":                   {change{"exp": at - 1}, "logout+jwt", "exp is not after iat"},
		"old":                              {change{"iat": at - 301, "exp": at + 300}, "logout+jwt", "older than 5 minutes"},
		"EVENTS":                           {change{"EVENTS": logout}, "logout+jwt", "another case"},
	} {
		raw := sign(t, f.Key(), tokentest.Claims{
			"iss": issuerURL, "aud": "web", "sid": "session-1", "jti": "l", "iat": at, "exp": at + 120, "events": logout,
		}, c.claims, map[string]any{"typ": c.typ})
		o, err := f.open(raw)
		if err == nil {
			var l Logout
			l, err = o.LogoutToken([]string{"web", "other"}, start)
			if err == nil && (l.Issuer != issuerURL || l.TokenID != "l" || l.Session == "" && l.Subject == "" || l.Client != "web" && l.Client != "other" || !l.Deadline.After(start)) {
				t.Errorf("%s: %+v", name, l)
			}
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if _, err := f.verify(raw); err == nil {
			t.Errorf("%s: it passes as a bearer token", name)
		}
	}
	for name, raw := range map[string]string{
		"an access token": f.Sign(f.Claims(api, start)),
		"an ID token":     sign(t, f.Key(), f.Claims("web", start), change{"client_id": nil, "scope": nil}, map[string]any{"typ": "JWT"}),
	} {
		o, err := f.open(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.LogoutToken([]string{"web", api}, start); err == nil {
			t.Errorf("%s passes as a logout token", name)
		}
	}
}

// Where another claim names the person, sub names nobody.
func TestALogoutTokenNamesThePersonAsCredentialsDo(t *testing.T) {
	f := newFixture(t, func(i *Issuer) { i.SubjectClaim = "oid" })
	for name, c := range map[string]struct {
		claims change
		want   string
	}{
		"by the claim": {change{"oid": "alice"}, "alice"},
		"by sub":       {nil, ""},
	} {
		raw := sign(t, f.Key(), tokentest.Claims{
			"iss": issuerURL, "aud": "web", "sub": "pairwise", "jti": "l", "iat": start.Unix(), "exp": start.Unix() + 120,
			"events": map[string]any{logoutEvent: map[string]any{}},
		}, c.claims, map[string]any{"typ": "logout+jwt"})
		o, err := f.open(raw)
		if err != nil {
			t.Fatal(err)
		}
		l, err := o.LogoutToken([]string{"web"}, start)
		if l.Subject != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q %v", name, l.Subject, err)
		}
	}
}
