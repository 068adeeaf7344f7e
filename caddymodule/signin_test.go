package caddymodule_test

import (
	"strings"
	"testing"
)

// The person comes back to the page that was asked for, and the upstream learns who
// it is and nothing of the cookies.
func TestABrowserSignsIn(t *testing.T) {
	s := startSignIns(t)
	b := s.browser("alice")
	b.setCookie("app", "theirs", "1")
	b.signIn("app")
	for name, want := range map[string]string{
		"Curfew-Authenticated": "true", "Curfew-Issuer": s.issuer.URL, "Curfew-Subject": "alice", "Curfew-Client": "curfew-web",
		"Curfew-Session": "sid-alice", "X-User-Name": "Person%20alice", "Cookie": "theirs=1",
	} {
		if got := s.upstream.header(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := s.upstream.header("Curfew-Device"); len(got) != 1 || !strings.HasPrefix(got[0], "cd_") {
		t.Errorf("the device is %q", got)
	}
	hits := s.upstream.count()
	if a := b.script("GET", s.site("app")+"/api", ""); a.StatusCode != 200 || s.upstream.count() != hits+1 || a.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("a script gets %d %v", a.StatusCode, a.Header)
	}
	told := b.session("app")
	if told["authenticated"] != true || told["subject"] != "alice" || told["name"] != "Person alice" || told["sign_in"] != "staff" || told["client_id"] != "curfew-web" {
		t.Errorf("%v", told)
	}
	s.browser("alice").signIn("localhost")
}
