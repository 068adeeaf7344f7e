//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// line is what of an access-log line a test looks at.
type line struct {
	Status int     `json:"status"`
	UserID string  `json:"user_id"`
	Curfew *object `json:"curfew"`
	text   string
}

// accessLog reads the lines of the guarded site and of the admin API.
func (g *gateway) accessLog(t *testing.T) []line {
	t.Helper()
	var lines []line
	for text := range strings.Lines(g.read(t, g.AccessLog)) {
		l := line{text: text}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("reading the access log: %v: %s", err, text)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestAccessLog looks at what is logged of an admission, a refusal and the
// administration between them: enough to tell what happened, and no more of a
// person than log_user allows.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for logUser, want := range map[string]func(string) bool{
		"sub":  func(id string) bool { return id == "alice" },
		"hash": func(id string) bool { return len(id) == 16 },
		"off":  func(id string) bool { return id == "" },
	} {
		t.Run(logUser, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, p, config{LogUser: logUser})
			s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
			g.expect(t, admit, s, "/", "alice")
			g.awaitRemembered(t)
			g.explain(t, s)
			r := g.cut(t, object{"target": g.target("sub", "alice"), "reason": "lost phone"})
			g.expect(t, "signed-out", s, "/", "alice")
			g.Stop(t) // what was logged is written now

			var decided []line
			f := s.facts(t)
			for _, l := range g.accessLog(t) {
				if l.Curfew != nil {
					decided = append(decided, l)
				}
				public := strings.ReplaceAll(l.text, `"user_id":"alice"`, "")
				for what, secret := range map[string]string{
					"sub": `"alice"`, "sid": f.Session, "jti": f.TokenID, "token": s.Access, "device": f.Device,
				} {
					if strings.Contains(public, secret) {
						t.Errorf("the access log has the %s: %s", what, l.text)
					}
				}
			}
			if len(decided) != 2 {
				t.Fatalf("%d lines have a decision, want 2", len(decided))
			}
			checkLine(t, decided[0], 200, object{"decision": "admit", "policy": "default", "client": "web", "cache": "miss"})
			checkLine(t, decided[1], 401, object{"decision": "refuse", "reason": "signed-out", "revocation_id": r.ID, "cache": "hit"})
			if !want(decided[0].UserID) {
				t.Errorf("user_id is %q", decided[0].UserID)
			}
			for _, secret := range []string{f.Session, f.TokenID, s.Access, `"alice"`, "lost phone"} {
				if strings.Contains(g.read(t, g.Log()), secret) {
					t.Errorf("the log has %q", secret)
				}
			}
		})
	}
}

func checkLine(t *testing.T, l line, status int, want object) {
	t.Helper()
	if l.Status != status {
		t.Errorf("status %d, want %d: %s", l.Status, status, l.text)
	}
	for name, value := range want {
		if got := (*l.Curfew)[name]; got != value {
			t.Errorf("curfew.%s is %v, want %v: %s", name, got, value, l.text)
		}
	}
}

// TestCanary sends tokens every way they can be sent, good and bad, with
// everything logged that can be logged. They appear nowhere but in the
// Authorization header that reaches the upstream (threats H6).
func TestCanary(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{LogLevel: "DEBUG"})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	parts := strings.Split(s.Access, ".")
	forged := &session{granted{Access: parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))}, s.browser, "web"}
	alien := &session{granted{Access: "canary-" + random()}, s.browser, "web"}

	g.expect(t, admit, s, "/", "the token")
	g.expect(t, "step-up-required", s, "/billing", "the token at billing")
	g.expect(t, "invalid-token", forged, "/", "a forged token")
	g.expect(t, "invalid-token", alien, "/", "no token at all")
	var answers []string
	twice := newRequest(t, http.MethodGet, "http://"+g.App+"/", nil)
	twice.Header["Authorization"] = []string{"Bearer " + s.Access, "Bearer " + forged.Access}
	answers = append(answers, string(g.do(t, twice).body))
	for _, token := range []string{s.Access, forged.Access, alien.Access} {
		a := g.as("read").call(t, http.MethodPost, "/v1/explain", object{"token": token})
		answers = append(answers, string(a.body))
		a = g.as("write").call(t, http.MethodPost, "/v1/revocations", object{"target": g.target("jti", "x"), "token": token})
		answers = append(answers, string(a.body))
		admin := newRequest(t, http.MethodPost, "http://"+g.API+"/v1/revocations/preview", strings.NewReader("{"))
		admin.Header.Set("Authorization", "Bearer "+token)
		admin.Header.Set("Content-Type", "application/json")
		answers = append(answers, string(g.do(t, admin).body))
	}
	g.cut(t, object{"target": g.target("sub", "alice")})
	answers = append(answers, string(g.expect(t, "signed-out", s, "/", "the token").body))
	answers = append(answers, g.scrape(t))
	g.Stop(t)

	places := map[string]string{
		"the log":        g.read(t, g.Log()),
		"the access log": g.read(t, g.AccessLog),
		"an answer":      strings.Join(answers, "\n"),
	}
	if !strings.Contains(places["the log"], `"level":"debug"`) {
		t.Error("the log is not complete: there is nothing at level debug")
	}
	// A signature gives a token away as well as the whole does.
	canaries := map[string]string{
		"the token": s.Access, "its signature": parts[2], "its claims": parts[1], "a forged token": forged.Access, "no token": alien.Access,
	}
	for _, role := range []string{"read", "write"} {
		canaries["the secret of "+role] = g.read(t, g.Secrets+"/"+role)
	}
	for place, text := range places {
		for what, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s has %s", place, what)
			}
		}
	}
}
