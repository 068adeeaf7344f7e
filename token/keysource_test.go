package token

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func TestKeySourceValidate(t *testing.T) {
	for source, want := range map[KeySource]string{
		{}: "",
		{Discovery: "https://login.internal/discovery?p=b2c"}: "",
		{Discovery: "http://localhost:8080/d"}:                "",
		{JWKS: "https://login.internal/keys?appid=1"}:         "",
		{JWKS: "http://127.0.0.1:8080/keys"}:                  "",
		{JWKS: "/etc/keys.json"}:                              "",
		{JWKS: "keys.json"}:                                   "",
		{JWKS: "{env.KEYS}/keys.json"}:                        "",
		{Discovery: "http://login.internal/d"}:                "use https",
		{JWKS: "http://login.internal/keys"}:                  "use https",
		{JWKS: "file:///etc/keys.json"}:                       "not an absolute URL",
		{Discovery: "login.internal"}:                         "not an absolute URL",
		{Discovery: "https://x/{tenantid}"}:                   "placeholder",
		{JWKS: "https://x/{env.PATH}"}:                        "placeholder",
		{Discovery: "https://u:secret@x"}:                     "remove them",
		{JWKS: "https://x/#secret"}:                           "fragment",
		{Discovery: "https://x/d", JWKS: "/etc/keys.json"}:    "remove one of them",
	} {
		err := source.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: got %v, want %q", source, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: the message tells the secret: %v", source, err)
		}
	}
}

// elsewhere serves one body for each URL, and nothing else.
func elsewhere(bodies map[string]string) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		body, ok := bodies[r.URL.String()]
		if !ok {
			return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func setOf(t *testing.T, keys ...tokentest.Key) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeysFromElsewhere(t *testing.T) {
	jwks := setOf(t, tokentest.NewKey(t, "k", "ES256"))
	document := func(issuer, keys string) string { return `{"issuer":"` + issuer + `","jwks_uri":"` + keys + `"}` }
	for name, c := range map[string]struct {
		source KeySource
		bodies map[string]string
		want   FetchResult
	}{
		"discovery elsewhere": {
			KeySource{Discovery: "https://internal/d?p=x"},
			map[string]string{"https://internal/d?p=x": document(issuerURL, "https://internal/keys"), "https://internal/keys": jwks},
			FetchOK,
		},
		"discovery of another issuer": {
			KeySource{Discovery: "https://internal/d"},
			map[string]string{"https://internal/d": document("https://other.example.com", "https://internal/keys"), "https://internal/keys": jwks},
			FetchMalformed,
		},
		"remote discovery names loopback": {
			KeySource{Discovery: "https://internal/d"},
			map[string]string{"https://internal/d": document(issuerURL, "http://127.0.0.1/keys"), "http://127.0.0.1/keys": jwks},
			FetchMalformed,
		},
		"discovery on loopback": {
			KeySource{Discovery: "http://localhost/d"},
			map[string]string{"http://localhost/d": document(issuerURL, "http://127.0.0.1/keys"), "http://127.0.0.1/keys": jwks},
			FetchOK,
		},
		"key set without discovery": {KeySource{JWKS: "https://internal/keys"}, map[string]string{"https://internal/keys": jwks}, FetchOK},
		"key set that is none":      {KeySource{JWKS: "https://internal/keys"}, map[string]string{"https://internal/keys": "{}"}, FetchMalformed},
		"no key set":                {KeySource{JWKS: "https://internal/keys"}, nil, FetchRefused},
	} {
		_, err := newFetcher(issuerURL, KeySetOptions{Transport: elsewhere(c.bodies), Source: c.source}).fetch(t.Context())
		if got := resultOf(err); got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// The document and the key set have their time each.
func TestEachFetchHasItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		timeout, takes time.Duration
		ok             bool
	}{
		"default":         {0, 4 * time.Second, true},
		"default, slower": {0, 6 * time.Second, false},
		"more":            {20 * time.Second, 19 * time.Second, true},
		"less":            {time.Second, 2 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := tokentest.New(t, issuerURL)
				s := NewKeySet(issuerURL, KeySetOptions{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					select {
					case <-r.Context().Done():
						return nil, r.Context().Err()
					case <-time.After(c.takes):
					}
					return serve(i, r), nil
				})})
				s.SetFetchTimeout(c.timeout)
				if err := s.fetch(t.Context()); c.ok != (err == nil) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestAwaitEndsWithTheFirstFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := tokentest.New(t, issuerURL)
		s := NewKeySet(issuerURL, KeySetOptions{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return serve(i, r), nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		go s.Run(ctx)
		for range 2 {
			if s.Await(t.Context()); time.Since(began) != 2*time.Second || !s.Ready(time.Now(), time.Minute) {
				t.Errorf("after %v, ready %v", time.Since(began), s.Ready(time.Now(), time.Minute))
			}
		}
		cancel()
		synctest.Wait()
		s.Await(t.Context())
	})
}

// A file is read again when it has changed, and one that can't be read changes
// nothing.
func TestKeysFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		i := tokentest.New(t, issuerURL)
		one, two := tokentest.NewKey(t, "one", "ES256"), tokentest.NewKey(t, "two", "ES256")
		write(setOf(t, one))
		if err := (KeySource{JWKS: path}).Check(); err != nil {
			t.Fatal(err)
		}
		s := NewKeySet(issuerURL, KeySetOptions{Source: KeySource{JWKS: path}})
		v := newTestVerifier(t, VerifierConfig{Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, s}}})
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		defer func() { cancel(); synctest.Wait() }()
		verify := func(k tokentest.Key) error {
			synctest.Wait()
			_, _, err := v.Verify(t.Context(), sign(t, k, i.Claims(api, time.Now()), nil, nil), time.Now())
			return err
		}
		if err := verify(one); err != nil {
			t.Fatal(err)
		}
		for _, broken := range []string{"{", "", `{"keys":[]}`} {
			write(broken)
			if err := (KeySource{JWKS: path}).Check(); err == nil {
				t.Errorf("%q was accepted", broken)
			}
			time.Sleep(time.Minute)
			if err := verify(one); err != nil {
				t.Errorf("with %q in the file: %v", broken, err)
			}
		}
		write(setOf(t, two))
		time.Sleep(retryFile)
		if err := verify(two); err != nil {
			t.Errorf("the new key: %v", err)
		}
		wantKind(t, verify(one), Invalid)
		write(setOf(t, one))
		time.Sleep(refreshFile)
		if err := verify(one); err != nil {
			t.Errorf("a second later: %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultJWKSMaxStale + time.Minute)
		wantKind(t, verify(one), NotReady)
	})
}

func TestPrivateRoots(t *testing.T) {
	i := tokentest.New(t, "")
	server := httptest.NewTLSServer(i)
	defer server.Close()
	i.URL = server.URL
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	f := newFetcher(i.URL, KeySetOptions{Roots: roots})
	defer f.client.CloseIdleConnections()
	if _, err := f.fetch(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfFetchesHoldNoQuery(t *testing.T) {
	const canary = "canary0123456789"
	f := newFetcher(issuerURL, KeySetOptions{
		Source:    KeySource{JWKS: "https://internal/keys?code=" + canary},
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }),
	})
	if _, err := f.fetch(t.Context()); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "https://internal/keys") {
		t.Errorf("got %v", err)
	}
}
