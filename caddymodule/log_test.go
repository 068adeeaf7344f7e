package caddymodule_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// logged are the lines of a log with that message.
func logged(t *testing.T, file, message string) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(readFile(t, file)) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if msg, _ := line["msg"].(string); strings.Contains(msg, message) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestTheDebugLogSaysWhyATokenIsRefused(t *testing.T) {
	g := prepare(t)
	g.logTo = filepath.Join(t.TempDir(), "log.json")
	g.load(global, sites)
	g.awaitReady()
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob-of-the-log"})
	stranger := tokentest.New(t, "https://stranger.example")
	foreign := g.claims("alice-of-the-log")
	foreign["iss"] = stranger.URL
	tokens := map[string]string{
		"expired":      g.token("alice-of-the-log", tokentest.Claims{"exp": time.Now().Unix() - 60}),
		"audience":     g.token("alice-of-the-log", tokentest.Claims{"aud": "other"}),
		"signed out":   g.token("bob-of-the-log"),
		"unknown key":  tokentest.New(t, g.issuer.URL).Sign(g.claims("alice-of-the-log")),
		"other issuer": stranger.Sign(foreign),
		"garbage":      "garbage-of-the-log",
		"none":         "",
	}
	wants := map[string][3]string{ // reason, issuer, client; the cause is looked at below
		"expired":      {"invalid-token", g.issuer.URL, "web"},
		"audience":     {"invalid-token", g.issuer.URL, "web"},
		"signed out":   {"signed-out", g.issuer.URL, "web"},
		"unknown key":  {"invalid-token", g.issuer.URL, ""}, // nobody vouches for its client
		"other issuer": {"invalid-token", "", ""},
		"garbage":      {"invalid-token", "", ""},
		"none":         {"no-credential", "", ""},
	}
	before := 0
	for name, token := range tokens {
		if a := g.get("/", token); a.StatusCode != 401 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
		lines := logged(t, g.logTo, "refused")
		if len(lines) != before+1 {
			t.Fatalf("%s: %d lines, want one more than %d", name, len(lines), before)
		}
		before++
		l, want := lines[before-1], wants[name]
		if l["level"] != "debug" || l["reason"] != want[0] || l["issuer"] != want[1] || l["client"] != want[2] || l["cause"] == "" {
			t.Errorf("%s: %v, want %q", name, l, want)
		}
		if cause, _ := l["cause"].(string); want[0] == "invalid-token" && (cause == "" || cause == want[0]) {
			t.Errorf("%s: the cause is %q", name, cause)
		}
	}
	g.stop()
	text := readFile(t, g.logTo)
	for name, token := range tokens {
		if token != "" && strings.Contains(text, token[strings.LastIndexByte(token, '.')+1:]) {
			t.Errorf("the log has the token: %s", name)
		}
	}
	for _, line := range logged(t, g.logTo, "refused") {
		if b, _ := json.Marshal(line); strings.Contains(string(b), "-of-the-log") {
			t.Errorf("the line has a subject: %s", b)
		}
	}
}

func TestTheLogNamesTheClaimAndTheKey(t *testing.T) {
	g := prepare(t)
	g.logTo = filepath.Join(t.TempDir(), "log.json")
	g.issuer.Rotate(g.issuer.Key(), tokentest.NewKey(t, "twice", "ES256"), tokentest.NewKey(t, "twice", "ES256"))
	g.load(global, sites)
	g.awaitReady()
	g.get("/", g.token("alice", tokentest.Claims{"auth_time": "1795168740"}))
	g.get("/billing/x", g.token("alice", tokentest.Claims{"acr": 12345678, "scope": "billing:write"}))
	lines := logged(t, g.logTo, "refused")
	if len(lines) != 2 {
		t.Fatalf("got %v", lines)
	}
	if cause, _ := lines[0]["cause"].(string); !strings.HasPrefix(cause, "claims: auth_time is not") {
		t.Errorf("the cause is %q", cause)
	}
	if ignored, _ := lines[1]["ignored_claims"].([]any); len(ignored) != 1 || ignored[0] != "acr" {
		t.Errorf("ignored are %v", lines[1]["ignored_claims"])
	}
	keys := logged(t, g.logTo, "key of an issuer's set is not used")
	if len(keys) != 2 || keys[0]["kid"] != "twice" || keys[0]["issuer"] != g.issuer.URL {
		t.Errorf("unused keys: %v", keys)
	}
	if text := readFile(t, g.logTo); strings.Contains(text, "1795168740") || strings.Contains(text, "12345678") {
		t.Error("the log has the value of a claim")
	}
}

func TestTheLogSaysWhatAnEmptyLedgerDid(t *testing.T) {
	for option, want := range map[string]string{
		"sign_out_all": "everybody who signed in before is signed out",
		"start":        "nobody is signed out",
	} {
		g := prepare(t)
		g.logTo = filepath.Join(t.TempDir(), "log.json")
		g.load(strings.Replace(global, "on_empty start", "on_empty "+option, 1), sites)
		g.awaitReady()
		g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"}) // a ledger with nothing in it is begun anew
		g.stop()
		lines := logged(t, g.logTo, "directory is empty")
		if len(lines) != 1 || !strings.Contains(lines[0]["msg"].(string), want) || lines[0]["on_empty"] != option || lines[0]["dir"] != g.dir {
			t.Errorf("%s: %v", option, lines)
		}
		// The second start finds a ledger.
		g.load(strings.Replace(global, "on_empty start", "on_empty "+option, 1), sites)
		g.awaitReady()
		g.stop()
		if again := logged(t, g.logTo, "directory is empty"); len(again) != 1 {
			t.Errorf("%s: after a second start %v", option, again)
		}
	}
}
