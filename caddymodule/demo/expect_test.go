package demo

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The rule by hand: signed out at 1000.6 s with a skew of 1 s, credentials up
// to 1001 are out. At 1010 an authentication of the last 10 - 1 - 1 - 1 seconds
// is surely later, whichever way the clocks differ.
func TestChallengeAt(t *testing.T) {
	at := time.UnixMilli(1_000_600)
	for now, want := range map[int64]string{1000: `"0"`, 1001: `"0"`, 1003: `"0"`, 1004: `"1"`, 1010: `"7"`} {
		if got := challengeAt(at, now); !strings.HasSuffix(got, ", max_age="+want) {
			t.Errorf("at %d: %s, want max_age=%s", now, got, want)
		}
	}
}

func TestExpectSignedOut(t *testing.T) {
	at, sent := time.Unix(1000, 0), time.Unix(1010, 0)
	good := func() answer {
		return answer{
			status: http.StatusUnauthorized,
			header: http.Header{"Www-Authenticate": {challengeAt(at, 1010)}, "Cache-Control": {"no-store"}},
			body:   []byte(`{"type":"urn:curfew:signed-out"}`),
		}
	}
	for name, c := range map[string]struct {
		spoil func(*answer)
		holds bool
	}{
		"as promised":        {func(*answer) {}, true},
		"a second later":     {func(a *answer) { a.header.Set("WWW-Authenticate", challengeAt(at, 1011)) }, true},
		"two seconds later":  {func(a *answer) { a.header.Set("WWW-Authenticate", challengeAt(at, 1012)) }, false},
		"admitted":           {func(a *answer) { a.status = http.StatusOK }, false},
		"forbidden":          {func(a *answer) { a.status = http.StatusForbidden }, false},
		"no challenge":       {func(a *answer) { a.header.Del("WWW-Authenticate") }, false},
		"a refresh may help": {func(a *answer) { a.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`) }, false},
		"another problem":    {func(a *answer) { a.body = []byte(`{"type":"urn:curfew:revoked"}`) }, false},
		"no problem":         {func(a *answer) { a.body = nil }, false},
		"may be cached":      {func(a *answer) { a.header.Del("Cache-Control") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := good()
			c.spoil(&a)
			if err := expectSignedOut(a, at, sent, sent.Add(time.Second)); (err == nil) != c.holds {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestMaxAgeOf(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		challenge string
		maxAge    string
		again     bool
	}{
		"asked":       {401, `Bearer error="x", max_age="12"`, "12", true},
		"not asked":   {401, `Bearer error="invalid_token"`, "", false},
		"not closed":  {401, `Bearer max_age="12`, "12", false},
		"not refused": {200, `Bearer max_age="12"`, "12", false},
	} {
		maxAge, again := maxAgeOf(answer{status: c.status, header: http.Header{"Www-Authenticate": {c.challenge}}})
		if again != c.again || again && maxAge != c.maxAge {
			t.Errorf("%s: %q, %t", name, maxAge, again)
		}
	}
}
