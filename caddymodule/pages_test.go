package caddymodule_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/pages"
	"curfew.dev/curfew/policy"
)

// A person who is refused gets a page with the look of the service, in the language
// of the browser; a program gets the problem.
func TestARefusalIsShownWithTheLookOfTheService(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "style.css"), []byte("h1 { color: #123456 }"))
	writeFile(t, filepath.Join(dir, "logo.png"), []byte("\x89PNG\x0d\x0a\x1a\x0a"))
	t.Setenv("CURFEW_TEST_PAGES", dir)
	g := start(t, strings.Replace(global, "on_empty start", `on_empty start
		pages {
			brand "<b>Example</b>"
			logo {env.CURFEW_TEST_PAGES}/logo.png
			style {env.CURFEW_TEST_PAGES}/style.css
			help "Help desk" mailto:help@example.com
		}`, 1), guarded("scope admin", ""))
	german := []func(*http.Request){with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept-Language", "de-DE,de;q=0.9")}
	for _, c := range []struct {
		name, token, heading string
		status               int
	}{
		{"anonymous", "", "<h1>Sie sind nicht angemeldet</h1>", 401},
		{"without the scope", g.token("alice"), "<h1>Sie haben keinen Zugang zu dieser Seite</h1>", 403},
	} {
		a := g.get("/secret", c.token, german...)
		if a.StatusCode != c.status {
			t.Errorf("%s: %d", c.name, a.StatusCode)
		}
		for _, want := range []string{c.heading, `<html lang="de">`, "– &lt;b&gt;Example&lt;/b&gt;</title>", "#123456", "data:image/png;base64,", "mailto:help@example.com"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s lacks %s:\n%s", c.name, want, a.body)
			}
		}
		_, style, _ := strings.Cut(a.body, "<style>")
		style, _, _ = strings.Cut(style, "</style>")
		sum := sha256.Sum256([]byte(style))
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", c.name, csp)
		}
		if h := a.Header; h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", c.name, h)
		}
	}
	if a := g.get("/secret", ""); a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a program: %v", a.Header)
	}
}

func TestEveryReasonForARefusalHasAPage(t *testing.T) {
	for _, reason := range policy.Reasons() {
		if !pages.Explains(reason.String()) {
			t.Errorf("%s has no page", reason)
		}
	}
}
