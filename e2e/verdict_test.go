//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// admit is the verdict on a request that reached the upstream. Others are
// problem types of section 7 of the design, without their prefix.
const admit = "admit"

// row is how section 7 has a refusal answered.
type row struct {
	status int
	code   string // error of WWW-Authenticate; "" with a 401: a bare challenge
}

var rows = map[string]row{
	"no-credential":        {401, ""},
	"ambiguous-credential": {400, "invalid_request"},
	"invalid-token":        {401, "invalid_token"},
	"revoked":              {401, "invalid_token"},
	"signed-out":           {401, "insufficient_user_authentication"},
	"blocked":              {403, ""},
	"step-up-required":     {401, "insufficient_user_authentication"},
	"insufficient-scope":   {403, "insufficient_scope"},
	"claim-missing":        {403, ""},
	"not-ready":            {503, ""},
}

// try sends a session's token to a path and returns the verdict, after it has
// held the answer to section 7 and the upstream's part to its promises.
func (g *gateway) try(t *testing.T, s *session, path string) (string, answer) {
	t.Helper()
	r := newRequest(t, http.MethodGet, "http://"+g.App+path, nil)
	r.Header.Set("Authorization", "Bearer "+s.Access)
	probe := random()
	r.Header.Set(probeHeader, probe)
	r.Header.Set("Curfew-Subject", "somebody-else") // never arrives
	a := g.do(t, r)
	arrived := g.upstream.arrivals(probe)
	if a.status == http.StatusOK {
		if len(arrived) != 1 {
			t.Fatalf("a request that was answered reached the upstream %d times", len(arrived))
		}
		checkIdentity(t, s, arrived[0])
		return admit, a
	}
	if len(arrived) != 0 {
		t.Errorf("a request that was refused with %d reached the upstream", a.status)
	}
	return a.refusal(t), a
}

// verdict is try without the answer.
func (g *gateway) verdict(t *testing.T, s *session, path string) string {
	t.Helper()
	verdict, _ := g.try(t, s, path)
	return verdict
}

// expect fails the test unless the verdict is the wanted one.
func (g *gateway) expect(t *testing.T, want string, s *session, path, who string) answer {
	t.Helper()
	got, a := g.try(t, s, path)
	if got != want {
		t.Errorf("%s: %s, want %s", who, got, want)
	}
	return a
}

func checkIdentity(t *testing.T, s *session, h http.Header) {
	t.Helper()
	f := s.facts(t)
	for name, want := range map[string]string{
		"Curfew-Authenticated": "true",
		"Curfew-Issuer":        s.browser.provider.Issuer,
		"Curfew-Subject":       f.Subject,
		"Curfew-Client":        s.app,
		"Curfew-Session":       f.Session,
		"Curfew-Device":        f.Device,
		"Curfew-Tenant":        f.Tenant,
		"Curfew-Acr":           f.ACR,
		"Curfew-Auth-Time":     strconv.FormatInt(f.AuthTime, 10),
	} {
		if got := h.Values(name); len(got) != 1 || got[0] != want || want == "" {
			t.Errorf("the upstream got %s %q, want one %q", name, got, want)
		}
	}
}

// refusal reads the problem of an answer and checks that it is the one of its
// row.
func (a answer) refusal(t *testing.T) string {
	t.Helper()
	var problem struct {
		Type   string `json:"type"`
		Status int    `json:"status"`
	}
	if err := json.Unmarshal(a.body, &problem); err != nil {
		t.Fatalf("a refusal with %d is no problem document: %q", a.status, a.body)
	}
	reason, ours := strings.CutPrefix(problem.Type, "urn:curfew:")
	want, known := rows[reason]
	switch {
	case !ours || !known:
		t.Fatalf("a refusal with %d has the type %q", a.status, problem.Type)
	case a.status != want.status || problem.Status != want.status:
		t.Errorf("%s answers %d (in its body %d), want %d", reason, a.status, problem.Status, want.status)
	case a.header.Get("Cache-Control") != "no-store":
		t.Errorf("%s may be cached: Cache-Control %q", reason, a.header.Get("Cache-Control"))
	case a.header.Get("Content-Type") != "application/problem+json":
		t.Errorf("%s has Content-Type %q", reason, a.header.Get("Content-Type"))
	case want.status == 503 && a.header.Get("Retry-After") == "":
		t.Errorf("%s does not say when to retry", reason)
	}
	a.checkChallenge(t, reason, want)
	return reason
}

func (a answer) checkChallenge(t *testing.T, reason string, want row) {
	t.Helper()
	lines := a.header.Values("WWW-Authenticate")
	if want.code == "" && want.status != http.StatusUnauthorized {
		if len(lines) != 0 {
			t.Errorf("%s challenges with %q", reason, lines)
		}
		return
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "Bearer") {
		t.Errorf("%s challenges with %q, want one Bearer", reason, lines)
		return
	}
	if got := a.challenge()["error"]; got != want.code {
		t.Errorf("%s challenges with error %q, want %q", reason, got, want.code)
	}
}

// challenge is the parameters of WWW-Authenticate.
func (a answer) challenge() map[string]string {
	parameters := make(map[string]string)
	_, rest, _ := strings.Cut(a.header.Get("WWW-Authenticate"), " ")
	for rest != "" {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok {
			break
		}
		parameters[strings.Trim(name, ", ")], rest, _ = strings.Cut(after, `"`)
	}
	return parameters
}
