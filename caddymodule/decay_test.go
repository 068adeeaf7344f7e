package caddymodule_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// Everything that is open ends when the sign-in gets older than the smallest max_age
// of its guards, and says so.
func TestWhatIsOpenEndsWhenTheSignInGetsTooOld(t *testing.T) {
	logs := filepath.Join(t.TempDir(), "log.json")
	g := startStreaming(t, "curfew {\n\t\tmax_age 100s\n\t\tconnection_expiry enforce\n\t\twebsocket_close_code 4401\n\t}\n\tcurfew {\n\t\tmax_age 1h\n\t\twebsocket_close_code 4402\n\t}\n\tlog {\n\t\toutput file "+logs+" {\n\t\t\troll_disabled\n\t\t}\n\t}", "max_age 30m")
	cuts := 0
	type open struct {
		name, ends string
		*session
	}
	var all []open
	// Late enough to open them all.
	signedIn := time.Now().Add(-100 * time.Second).Add(6 * time.Second).Unix()
	for _, p := range protocols {
		if p.local && !strings.HasPrefix(p.name, "file") || strings.Contains(p.name, "download") {
			continue
		}
		ends := strings.Replace(strings.Replace(p.ends, "signed-out", "step-up-required", 1), "1008", "4402", 1)
		all = append(all, open{p.name, ends, p.open(t, g, strings.ReplaceAll("alice "+p.name, " ", "-"), tokentest.Claims{"auth_time": signedIn})})
		cuts++
	}
	fresh := openSSE(1)(t, g, "bob", tokentest.Claims{"auth_time": time.Now().Unix() - 10})
	for _, s := range all {
		if err := s.alive(); err != nil {
			t.Errorf("%s does not work: %v", s.name, err)
		}
	}
	for _, s := range all {
		if got := s.end(t); got != s.ends {
			t.Errorf("%s ended with %q, want %q", s.name, got, s.ends)
		}
		s.close()
	}
	// A clock skew of 1 s comes on top.
	if took := time.Since(time.Unix(signedIn, 0)); took < 101*time.Second || took > 100*time.Second+tooLong {
		t.Errorf("they ended %v after the sign-in", took)
	}
	if err := fresh.alive(); err != nil {
		t.Errorf("one that signed in later has ended too: %v", err)
	}
	fresh.close()
	g.expectMetric(fmt.Sprintf("curfew_live_requests_cut_total{reason=%q} %d", "max-age", cuts))
	eventually(t, "the reason is logged", func() bool {
		return strings.Contains(readFile(t, logs), `"curfew":{"decision":"cut","reason":"max-age","policy":"default"`)
	})
}

// What a browser has open ends by the same rule.
func TestWhatABrowserHasOpenEndsWhenItsSignInGetsTooOld(t *testing.T) {
	s := prepareSignIns(t)
	upstream := startStreams(t)
	s.loadSignIns("OPTIONS", "connection_expiry enforce\nmax_age 1m", "UPSTREAM", upstream.http)
	s.awaitReady()
	// The provider remembers a sign-in that is nearly too old.
	s.provider.set(func(p *provider) { p.signedIn["alice"] = time.Now().Unix() - 55 })
	b := s.browser("alice")
	if a := b.open(s.site("app") + "/hello"); a.StatusCode != 200 || a.body != "hello" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	began := time.Now()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.site("app")+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	for line := make([]byte, 1<<10); err == nil; {
		_, err = resp.Body.Read(line)
	}
	if took := time.Since(began); took < 3*time.Second || took > tooLong {
		t.Errorf("it ended with %v after %v", err, took)
	}
	// The page signs in anew.
	if a := b.script("GET", s.site("app")+"/hello", ""); a.StatusCode != 401 || !strings.Contains(a.body, "max_age=60") {
		t.Errorf("a script gets %d %s", a.StatusCode, a.body)
	}
}
