package pages

import (
	"bytes"
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

//go:embed page.html
var pageHTML string

var layout = template.Must(template.New("page").Parse(pageHTML))

// Prefix is where a site serves style and logo.
const Prefix = "/.curfew/"

// shown is what the template gets.
type shown struct {
	Language string
	Brand    string
	Logo     template.URL
	Style    template.CSS // empty: linked
	Text     text
	Words    words
	Account  *sentence
	Choices  []Choice
	Form     *Form
	Get      bool
	Scope    bool
	Link     string
	NewTab   bool
	TwoStep  string
	Recovery string
	Help     Help
}

// Render answers a request with a page. It sets the headers that every page has.
// Others that are set are kept.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, p Page) {
	v := p.view()
	l := languageOf(r)
	d := shown{
		Language: l.tag, Brand: s.config.Brand, Logo: s.logo, Text: l.texts[v.text], Words: l.words, Account: l.account(v.account),
		Choices: v.choices, Form: v.form, Get: v.get, Scope: v.scope, Link: v.link, NewTab: v.newTab,
	}
	if s.alone {
		d.Style = template.CSS(s.style)
	}
	if v.mends {
		d.TwoStep, d.Recovery = s.config.TwoStep, s.config.Recovery
	}
	if v.help {
		d.Help = s.config.Help
	}
	var body bytes.Buffer
	if err := layout.Execute(&body, d); err != nil {
		// It writes into memory, and a test renders every page.
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", l.tag)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", s.csp+formAction(v.form, r))
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // the client may have gone away
	}
}

// formAction says where a form may be sent. Browsers apply it to every redirect
// that follows, and those of a provider lead through origins that only the
// provider knows.
func formAction(f *Form, r *http.Request) string {
	switch {
	case f == nil:
		return "'none'"
	case !f.Away:
		return "'self'"
	case r.TLS == nil:
		return "'self' https: http://localhost:* http://127.0.0.1:*"
	}
	return "'self' https:"
}

func names(m map[string][]string) []string { return slices.Sorted(maps.Keys(m)) }
