package devidp

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"curfew.dev/curfew/internal/authorization"
)

// A slice serves as the slow model of capped.
func TestCapped(t *testing.T) {
	type value struct{ key, n int }
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		table := newCapped(limit, func(v value) string { return strconv.Itoa(v.key) })
		var model []value
		remove := func(match func(value) bool) { model = slices.DeleteFunc(model, match) }
		for i := range rapid.IntRange(0, 40).Draw(t, "steps") {
			key := rapid.IntRange(0, 7).Draw(t, "key")
			switch rapid.SampledFrom([]string{"put", "put", "remove", "removeIf"}).Draw(t, "do") {
			case "put":
				table.put(value{key, i})
				remove(func(v value) bool { return v.key == key })
				model = append(model, value{key, i})
				model = model[max(0, len(model)-limit):]
			case "remove":
				table.remove(strconv.Itoa(key))
				remove(func(v value) bool { return v.key == key })
			case "removeIf":
				match := func(v value) bool { return v.n%2 == key%2 }
				table.removeIf(match)
				remove(match)
			}
			if !slices.Equal(table.list(), model) || len(table.values) != len(model) {
				t.Fatalf("table %v, model %v", table.list(), model)
			}
			for _, v := range model {
				if got, ok := table.get(strconv.Itoa(v.key)); !ok || got != v {
					t.Fatalf("get %d: %v, %v", v.key, got, ok)
				}
			}
		}
	})
}

func TestWithQuery(t *testing.T) {
	for uri, want := range map[string]string{
		"http://localhost/cb":         "http://localhost/cb?a=1",
		"http://localhost/cb?x=%2F":   "http://localhost/cb?x=%2F&a=1",
		"http://localhost/%2e%2e/cb?": "http://localhost/%2e%2e/cb?a=1",
	} {
		if got := withQuery(uri, url.Values{"a": {"1"}}); got != want {
			t.Errorf("%s became %s", uri, got)
		}
	}
}

// For any request, an accepted request has PKCE and a registered redirect URI.
// One sign-in with everything satisfies it, unless it forces a login.
func FuzzAuthorizationRequest(f *testing.F) {
	const callback = "http://127.0.0.1:8080/callback"
	good := url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {callback}, "scope": {"openid"},
		"code_challenge": {digest("x")}, "code_challenge_method": {"S256"},
	}
	f.Add(good.Encode())
	for name, value := range map[string]string{
		"max_age": "0", "prompt": "login consent", "acr_values": "phr mfa", "scope": "openid \x00", "redirect_uri": callback + "/",
	} {
		edited := maps.Clone(good)
		edited.Set(name, value)
		f.Add(edited.Encode())
	}
	d, err := newDirectory(Config{
		Clients: []Client{{ID: "web", RedirectURIs: []string{callback}, Audience: "api"}},
		Users:   []User{{Subject: "alice", Password: "wonder"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		client, redirectURI, err := d.parseRedirect(values)
		if err != nil {
			return
		}
		if redirectURI != callback {
			t.Fatalf("redirects to %q", redirectURI)
		}
		request, refusal := parseAuthorization(values, client, redirectURI)
		if refusal != nil {
			if !authorization.ChallengeToken(refusal.Code) {
				t.Fatalf("error code %q", refusal.Code)
			}
			return
		}
		if len(request.challenge) != 43 || !slices.Contains(request.scope, "openid") || request.none && request.login {
			t.Fatalf("accepted %q", query)
		}
		strongest := authentication{AMR: methods(true), AuthTime: 1000}
		if forced := request.login || request.maxAge == 0; request.satisfiedBy(strongest, 1000) == forced {
			t.Fatalf("forced %v for %q", forced, query)
		}
	})
}

func FuzzRefreshToken(f *testing.F) {
	f.Add(refreshToken(newSecret(), newSecret()))
	f.Add("..")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if id, secret, ok := parseRefreshToken(token); ok && refreshToken(id, secret) != token {
			t.Fatalf("%q does not come back", token)
		}
	})
}

// No file causes a panic or a provider that can't sign. A state that was read
// can be written and read again.
func FuzzStateFile(f *testing.F) {
	key, err := newSigningKey("ES256")
	if err != nil {
		f.Fatal(err)
	}
	file := stateFile{path: f.TempDir() + "/state", issuer: "http://127.0.0.1:1"}
	whole := newState()
	whole.keys = keyring{key}
	whole.sessions.put(session{Cookie: "c", Authentication: authentication{Subject: "alice", AMR: methods(true)}})
	whole.grants.put(grant{ID: "g", Scope: []string{"openid"}})
	encoded, err := file.encode(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Add([]byte(`{"issuer":"http://127.0.0.1:1","keys":[{"jwk":null}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := file.decode(b)
		if err != nil {
			return
		}
		for _, key := range s.keys {
			if _, err := sign(key.JWK, "JWT", claims{}, nil); err != nil {
				t.Fatalf("accepted a key that can't sign: %v", err)
			}
		}
		again, err := file.encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.decode(again); err != nil {
			t.Fatalf("can't read what was written: %v", err)
		}
	})
}
