package identity

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type claims map[string]string

func (c claims) Claim(name string) (string, bool) { value, ok := c[name]; return value, ok }

var alice = Facts{
	Issuer: "https://login.example.com", Subject: "alice", Client: "web", Session: "s", Device: "d", Tenant: "t",
	Scope: []string{"read"}, ACR: "mfa", AMR: []string{"pwd"}, AuthTime: 1, ExpiresAt: 2,
}

// Handlers behind a guard may change headers in place, as Caddy's
// request_header does with a replacement, or append to them. Whatever they do
// to one request of a token, the next one tells who it is.
func TestRequestsOfATokenShareNoHeaderValues(t *testing.T) {
	var headers Headers
	values := alice.Values()
	set := func() http.Header {
		h := make(http.Header)
		headers.Set(h, &values, claims{}, new(Values), All)
		return h
	}
	want := set().Clone()
	if len(want) != len(names) {
		t.Fatalf("%d headers, want all %d", len(want), len(names))
	}
	for range 2 {
		meddled, beside := set(), set()
		for name, values := range meddled {
			meddled[name] = append(values, "mallory")
			values[0] = strings.ToUpper(values[0]) + "-mallory"
		}
		for _, h := range []http.Header{beside, set()} {
			for name, values := range want {
				if got := h[name]; len(got) != 1 || got[0] != values[0] {
					t.Errorf("%s is %q, want %q", name, got, values)
				}
			}
		}
		for name, values := range meddled {
			if len(values) != 2 || values[1] != "mallory" {
				t.Errorf("%s: appending to one header ran into another: %q", name, values)
			}
		}
	}
}

func TestAFactThatATokenLacksHasNoHeader(t *testing.T) {
	var headers Headers
	if err := headers.Map("x-user-email", "email"); err != nil {
		t.Fatal(err)
	}
	h := make(http.Header)
	values := (&Facts{Issuer: "i", Scope: []string{"a b", "c"}}).Values()
	headers.Set(h, &values, claims{"email": ""}, new(Values), All)
	if len(h) != 3 || h.Get("Curfew-Authenticated") != "true" || h.Get("Curfew-Scope") != "a%20b c" {
		t.Errorf("got %v", h)
	}
	headers.Set(h, &values, claims{"email": "zoë"}, new(Values), All)
	if h.Get("X-User-Email") != "zo%C3%AB" {
		t.Errorf("got %v", h)
	}
}

// Mapped headers are asked for by name, so each extent has them.
func TestAnExtentTellsItsFactsAndNoOthers(t *testing.T) {
	var headers Headers
	if err := headers.Map("X-Email", "email"); err != nil {
		t.Fatal(err)
	}
	values := alice.Values()
	for extent, want := range map[Extent][]string{
		All:     append(slices.Clone(names[:]), "X-Email"),
		Minimal: {"Curfew-Authenticated", "Curfew-Issuer", "Curfew-Subject", "X-Email"},
		None:    {"X-Email"},
	} {
		for _, before := range []func(http.Header){
			func(http.Header) {},
			func(h http.Header) { headers.SetAnonymous(h, All) },
			func(h http.Header) { headers.Set(h, &values, claims{}, new(Values), All) },
		} {
			h := make(http.Header)
			before(h)
			headers.Narrow(h, extent)
			headers.Set(h, &values, claims{"email": "a@b"}, new(Values), extent)
			if got := slices.Sorted(maps.Keys(h)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%d: got %v, want %v", extent, got, want)
			}
		}
		h := make(http.Header)
		headers.SetAnonymous(h, extent)
		if want := min(1, len(extent.names())); len(h) != want {
			t.Errorf("%d: an anonymous request has %v", extent, h)
		}
	}
}

func TestAHeaderThatCannotCarryIdentityIsRefused(t *testing.T) {
	var headers Headers
	if err := headers.Map("X-User", "sub"); err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"": "want a header's name", "X User": "want a header's name", "Curfew-Other": "reserved", "curfew_subject": "reserved",
		"cookie": "reserved", "Content_Length": "reserved", "x_user": "twice",
	} {
		if err := headers.Map(header, "sub"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", header, err, want)
		}
	}
	if err := headers.Map("X-Other", ""); err == nil {
		t.Error("a claim without a name is taken")
	}
}

// No spelling of a header that a server may take for ours arrives.
func TestNoSpellingOfAHeaderArrives(t *testing.T) {
	var headers Headers
	headers.Include([]Mapping{{"X-User-Email", "email"}})
	ours := append(slices.Clone(names[:]), "X-User-Email", "Curfew-Anything")
	rapid.Check(t, func(t *rapid.T) {
		spelling := []byte(rapid.SampledFrom(ours).Draw(t, "name"))
		for i, c := range spelling {
			switch c {
			case '-':
				spelling[i] = rapid.SampledFrom([]byte("-_.~!")).Draw(t, "separator")
			default:
				if rapid.Bool().Draw(t, "upper") {
					spelling[i] = strings.ToUpper(string(c))[0]
				}
			}
		}
		name := string(spelling)
		trailer := http.Header{name: {"forged"}, "Checksum": {"1"}}
		r := &http.Request{
			Header:  http.Header{name: {"forged"}, "Connection": {"keep-alive, " + name}, "Accept": {"*/*"}},
			Trailer: trailer, Body: io.NopCloser(strings.NewReader("body")),
		}
		headers.Cleanse(r)
		trailer[name] = []string{"forged"} // as it comes with the end of the body
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
		if len(r.Header) != 2 || r.Header["Connection"][0] != "keep-alive" || len(trailer) != 1 {
			t.Fatalf("%q arrives: %v, trailers %v", name, r.Header, trailer)
		}
	})
}

func TestDroppedHops(t *testing.T) {
	for sent, want := range map[string][]string{
		"": {""}, "keep-alive": {"keep-alive"}, "Upgrade": nil, "upgrade, x": {"x"}, " x ,, upgrade ,y": {"x, y"}, "Upgrade, Upgrade": nil,
	} {
		h := http.Header{"Connection": {sent}}
		DropHops(h, func(name string) bool { return strings.EqualFold(name, "Upgrade") })
		if !slices.Equal(h["Connection"], want) {
			t.Errorf("%q becomes %q, want %q", sent, h["Connection"], want)
		}
	}
}

// A value is visible ASCII and can be decoded to what it was.
func TestValuesCanBeDecoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := string(rapid.SliceOf(rapid.Byte()).Draw(t, "value"))
		sent := visible(plain)
		if got, err := url.PathUnescape(sent); err != nil || got != plain || strings.ContainsFunc(sent, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Fatalf("%q is sent as %q, which is %q (%v)", plain, sent, got, err)
		}
	})
}
