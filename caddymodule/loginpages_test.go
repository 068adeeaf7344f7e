package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"curfew.dev/curfew/internal/pages"
	"curfew.dev/curfew/login"
)

// Each kind of page that package login has is shown as itself, with its link and
// its form, and as nothing but text.
func TestEveryPageOfASignInIsShown(t *testing.T) {
	const canary = `"><script>alert(1)</script>`
	headings := make(map[string]login.PageKind)
	for _, kind := range login.PageKinds {
		w := httptest.NewRecorder()
		loginPages{pages.New(pages.Config{})}.Write(w, httptest.NewRequest(http.MethodGet, "https://app.example.com/", nil), &login.Page{
			Kind: kind, Status: 418, SignIn: canary, Name: canary, Link: "/.curfew/sign-in?return=%2Fa", Choices: []login.Choice{{Title: canary, Link: "/.curfew/sign-in?name=a"}},
			Form: &login.Form{Action: "/.curfew/sign-out", Fields: []login.Param{{Name: "return", Value: canary}}},
		})
		body := w.Body.String()
		heading := regexp.MustCompile(`<h1>.+</h1>`).FindString(body)
		if other, twice := headings[heading]; twice || heading == "" || w.Code != 418 || strings.Contains(body, "<script") {
			t.Errorf("%s: %d, as %q: %s", kind, w.Code, other, body)
		}
		headings[heading] = kind
		var want []string
		switch kind {
		case login.PageChoose:
			want = []string{`href="/.curfew/sign-in?name=a"`, "&lt;script"}
		case login.PageContinue:
			want = []string{`action="/.curfew/sign-in"`, `name="return" value="/a"`, "<button", "&lt;script"}
		case login.PageSignOut, login.PageSignedOut:
			want = []string{`method="post" action="/.curfew/sign-out"`, `name="return" value="&#34;&gt;&lt;script`, `href="/.curfew/sign-in?return=%2Fa"`}
		case login.PageTooLarge, login.PageCrossSite, login.PageInsecure, login.PageUnknown:
		default:
			want = []string{`href="/.curfew/sign-in?return=%2Fa"`}
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s lacks %s:\n%s", kind, w, body)
			}
		}
	}
}
