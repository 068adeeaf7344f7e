package outbound

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const party = "https://login.example.com"

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body io.Reader) (*http.Response, error) {
	return &http.Response{StatusCode: status, Body: io.NopCloser(body)}, nil
}

func form(t *testing.T, address string) *http.Request {
	t.Helper()
	body := url.Values{"grant_type": {"authorization_code"}, "code": {"c"}}.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestAnAddressThatIsNotAllowedIsNotAsked(t *testing.T) {
	c := New(party, Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was asked", r.URL)
		return answer(200, strings.NewReader("x"))
	})})
	for _, address := range []string{"http://127.0.0.1/", "http://login.example.com/", "ftp://x/", "://", ""} {
		if _, err := c.Get(t.Context(), address); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: got %v", address, err)
		}
	}
	if _, err := c.Do(form(t, "https://localhost/token")); !errors.Is(err, ErrAddress) {
		t.Errorf("got %v", err)
	}
}

// The name is allowed, and what it resolves to is not.
func TestANameThatResolvesToLoopbackIsNotDialled(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	defer server.Close()
	transport := newTransport(false, nil)
	defer transport.CloseIdleConnections()
	conn, err := transport.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err == nil {
		conn.Close()
		t.Error("dialled")
	}
}

func TestGetReturnsOnlyWhatHasStatus200(t *testing.T) {
	for status, ok := range map[int]bool{200: true, 204: false, 304: false, 404: false, 503: false} {
		c := New(party, Options{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return answer(status, strings.NewReader("body"))
		})})
		body, err := c.Get(t.Context(), party)
		var refused *StatusError
		if ok && (err != nil || body != "body") || !ok && (!errors.As(err, &refused) || refused.Code != status) {
			t.Errorf("%d: got %q, %v", status, body, err)
		}
	}
}

func TestAFormIsSentAndItsErrorCanBeRead(t *testing.T) {
	c := New(party, Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || string(sent) != "code=c&grant_type=authorization_code" {
			t.Errorf("sent %s %q, %v", r.Method, sent, err)
		}
		return answer(400, strings.NewReader(`{"error":"invalid_grant"}`))
	})})
	a, err := c.Do(form(t, party+"/token"))
	if err != nil || a.Status != 400 || a.Body != `{"error":"invalid_grant"}` {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestAFormDoesNotFollowARedirect(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := New(server.URL, Options{})
	defer c.CloseIdleConnections()
	a, err := c.Do(form(t, server.URL))
	if err != nil || a.Status != http.StatusTemporaryRedirect || asked != 1 {
		t.Errorf("asked %d times: %+v, %v", asked, a, err)
	}
}

func TestARedirectStaysAtTheOrigin(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another origin was asked") }))
	defer other.Close()
	server := httptest.NewServer(nil)
	defer server.Close()
	var to string
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/there" {
			_, _ = io.WriteString(w, "found")
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	c := New(server.URL, Options{})
	defer c.CloseIdleConnections()
	for name, tt := range map[string]struct {
		to string
		ok bool
	}{
		"same origin": {"/there", true},
		"other port":  {other.URL, false},
		"metadata":    {"http://169.254.169.254/latest", false},
		"to itself":   {"/", false},
	} {
		to = tt.to
		if body, err := c.Get(t.Context(), server.URL); tt.ok != (err == nil && body == "found") {
			t.Errorf("%s: got %q, %v", name, body, err)
		}
	}
}

func TestAnAnswerHasABound(t *testing.T) {
	for size, ok := range map[int]bool{MaxBody: true, MaxBody + 1: false} {
		c := New(party, Options{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return answer(200, strings.NewReader(strings.Repeat("x", size)))
		})})
		body, err := c.Get(t.Context(), party)
		if ok && (err != nil || len(body) != size) || !ok && !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes: got %d, %v", size, len(body), err)
		}
		if _, err := c.Do(form(t, party)); ok != (err == nil) {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}

// slow sends its body only after a time.
type slow struct {
	takes time.Duration
	r     *http.Request
}

func (s slow) Read([]byte) (int, error) {
	select {
	case <-time.After(s.takes):
		return 0, io.EOF
	case <-s.r.Context().Done():
		return 0, s.r.Context().Err()
	}
}

func TestAnAnswerArrivesInTimeOrNotAtAll(t *testing.T) {
	for name, tt := range map[string]struct {
		timeout, takes time.Duration
		ok             bool
	}{
		"default":         {0, 4 * time.Second, true},
		"default, slower": {0, 6 * time.Second, false},
		"more":            {20 * time.Second, 19 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(party, Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					return answer(200, slow{tt.takes, r})
				})})
				c.SetTimeout(tt.timeout)
				if _, err := c.Get(t.Context(), party); tt.ok != (err == nil) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestErrorsHoldNoQuery(t *testing.T) {
	const canary = "canary0123456789"
	c := New(party, Options{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })})
	for _, address := range []string{party + "/keys?code=" + canary, "http://x/?code=" + canary, "\x7f://?" + canary} {
		if _, err := c.Get(t.Context(), address); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAPartyWithAPrivateCAIsTrustedByItsRootsAlone(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	defer server.Close()
	server.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, tt := range []struct {
		roots *x509.CertPool
		ok    bool
	}{{roots, true}, {nil, false}, {x509.NewCertPool(), false}} {
		c := New(server.URL, Options{Roots: tt.roots})
		if _, err := c.Get(t.Context(), server.URL); tt.ok != (err == nil) {
			t.Errorf("got %v", err)
		}
		c.CloseIdleConnections()
	}
}

// A library that is given the client is held to the same rules.
func TestALibraryAsksByTheGuardedClient(t *testing.T) {
	c := New(party, Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/elsewhere" {
			return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {party + "/there"}}, Body: http.NoBody}, nil
		}
		return answer(http.StatusOK, strings.NewReader(strings.Repeat("x", MaxBody+1)))
	})}).HTTP()
	if _, err := c.Get("http://127.0.0.1/"); !errors.Is(err, ErrAddress) {
		t.Errorf("an address that is not allowed: %v", err)
	}
	if _, err := c.Get(party + "/long"); !errors.Is(err, ErrTooLong) {
		t.Errorf("a body without an end: %v", err)
	}
	resp, err := c.Do(form(t, party+"/elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		t.Errorf("a redirect of a POST was followed: %d at %s", resp.StatusCode, resp.Request.URL)
	}
}
