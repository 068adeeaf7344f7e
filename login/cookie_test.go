package login

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStripRequestTakesOurCookiesOnly(t *testing.T) {
	for line, want := range map[string]string{
		"__Host-curfew=x": "", "a=b": "a=b", "a=b; __Host-curfew=x": "a=b", "__Host-curfew=x; a=b": "a=b", "a=b; __Host-curfew=x; c=d": "a=b; c=d",
		"__Host-curfew=x; __Host-curfew-device=y; __Host-curfew-attempt=z": "", "curfew-dev=1; curfew-dev-device=2; a=b; curfew-dev-attempt=3": "a=b",
		"__Host-curfew2=x": "__Host-curfew2=x", "x__Host-curfew=x": "x__Host-curfew=x", "__host-CURFEW=x; a=b": "a=b", " __Host-curfew =x;a=b": "a=b",
		"__Host-curfew": "", "a=__Host-curfew=x": "a=__Host-curfew=x", "": "", "a=b;__Host-curfew=x;": "a=b",
		"a=b; __Host-curfew=x; __Host-curfew=y; c=d": "a=b; c=d", "curfew-development=1": "curfew-development=1",
	} {
		h := http.Header{"Cookie": {line}}
		StripRequest(h, nil)
		if got := h.Get("Cookie"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
		if _, there := h["Cookie"]; there != (want != "") {
			t.Errorf("%q: the header is there: %v", line, there)
		}
	}
	h := http.Header{"Cookie": {"__Host-curfew=x", "a=b", "curfew-dev=y; c=d"}}
	if StripRequest(h, nil); !slices.Equal(h["Cookie"], []string{"a=b", "c=d"}) {
		t.Errorf("got %q", h)
	}
}

func TestStripRequestKeepsEveryOtherCookie(t *testing.T) {
	ours := []string{"__Host-curfew", "__Host-curfew-device", "__Host-curfew-attempt", "curfew-dev", "curfew-dev-device", "curfew-dev-attempt"}
	rapid.Check(t, func(r *rapid.T) {
		var line, want []string
		for range rapid.IntRange(0, 6).Draw(r, "cookies") {
			if rapid.Bool().Draw(r, "ours") {
				line = append(line, rapid.SampledFrom(ours).Draw(r, "name")+"=secret")
				continue
			}
			other := rapid.StringMatching(`[a-z-]{1,8}=[a-z=]{0,8}`).Draw(r, "other")
			line, want = append(line, other), append(want, other)
		}
		h := http.Header{"Cookie": {strings.Join(line, "; ")}}
		StripRequest(h, nil)
		if got := h.Get("Cookie"); got != strings.Join(want, "; ") {
			r.Fatalf("%q became %q", line, got)
		}
	})
}

func TestStripResponseDropsWhatAnUpstreamSets(t *testing.T) {
	lines := []string{
		"__Host-curfew=x; Path=/", "a=b", "__host-curfew=x", " __Host-curfew-device=x", "=__Host-curfew=x", "curfew-dev-attempt=", "__Host-curfew", "__Host-curfew2=x", "b=__Host-curfew=x",
	}
	shared := slices.Clone(lines)
	h := http.Header{"Set-Cookie": shared}
	StripResponse(h)
	if want := []string{"a=b", "__Host-curfew2=x", "b=__Host-curfew=x"}; !slices.Equal(h["Set-Cookie"], want) {
		t.Errorf("got %q", h["Set-Cookie"])
	}
	if !slices.Equal(shared, lines) {
		t.Error("the upstream's own header was changed")
	}
	h = http.Header{"Set-Cookie": {"curfew-dev=x"}}
	if StripResponse(h); len(h) != 0 {
		t.Errorf("got %q", h)
	}
}

func TestReadFindsOneCookieOnly(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		value string
		two   bool
	}{
		{nil, "", false},
		{[]string{"x=1"}, "1", false},
		{[]string{"a=2; x=1;b=3"}, "1", false},
		{[]string{"a=2", "x=1"}, "1", false},
		{[]string{"x=1; x=1"}, "", true},
		{[]string{"x=1", "x=2"}, "", true},
		{[]string{"X=1; xx=2; ax=3"}, "", false},
		{[]string{"x"}, "", false},
		{[]string{"x = 1 "}, "1", false},
		{[]string{"x=a=b"}, "a=b", false},
	} {
		if value, two := Read(http.Header{"Cookie": tt.lines}, "x"); value != tt.value || two != tt.two {
			t.Errorf("%q: %q %v", tt.lines, value, two)
		}
	}
}

func TestLookingAtCookiesDoesNotAllocate(t *testing.T) {
	h := http.Header{"Cookie": {"a=b; __Host-curfew=" + strings.Repeat("x", 900) + "; c=d"}}
	r := &http.Request{Host: "app.example.com:443", Header: h}
	other := http.Header{"Cookie": {"a=b; c=d"}}
	if n := testing.AllocsPerRun(100, func() {
		if v, two := Read(h, secureCookies.Session); v == "" || two || HostOf(r) != appHost {
			t.Error("not found")
		}
		StripRequest(other, nil)
		StripResponse(other)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
