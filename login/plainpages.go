package login

import (
	"html/template"
	"net/http"
	"net/url"
)

// PlainPages writes pages without a style, in English. The zero value is ready.
type PlainPages struct{}

// says is what a page says, and the text of its link or button.
var says = map[PageKind]struct{ Text, Next string }{
	PageChoose:      {"Choose how to sign in", ""},
	PageContinue:    {"Another site asks you to sign in again", "Sign in again"},
	PageNothingSent: {"Nothing was sent, because your session is over. Sign in, then come back to this page and send it again.", "Sign in in a new tab"},
	PageSignOut:     {"Sign out of this browser?", "Sign out"},
	PageSignedOut:   {"You are signed out here", "Sign in again"},
	PageStartAgain:  {"This sign-in can't be finished: it took too long, was finished before, or began in another browser", "Start again"},
	PageLoop: {
		"You signed in three times, and your session did not come back. The browser may block cookies, or a proxy may take them away.",
		"Try again",
	},
	PageTooLarge:    {"Your session does not fit into a cookie. This is not your fault. Tell those who run this service.", ""},
	PageProvider:    {"The sign-in service does not answer as it should", "Try again"},
	PageDenied:      {"You were not signed in", "Start again"},
	PageStepUpUnmet: {"This needs a stronger or more recent sign-in than the one that was made", "Use another account"},
	PageBlocked:     {"Access is blocked", "Use another account"},
	PageCrossSite:   {"Another site has sent this form, so nothing was done", ""},
	PageNotReady:    {"This service is not ready yet. Try again in a moment.", "Try again"},
	PageNotDurable:  {"Nothing was changed, because it could not be stored. Try again in a moment.", "Try again"},
	PageInsecure:    {"Signing in needs https", ""},
	PageUnknown:     {"There is nothing here", ""},
}

var plain = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Says.Text}}</title>
<h1>{{.Says.Text}}</h1>
{{with .Name}}<p>Signed in as {{.}}.</p>{{end}}
{{range .Choices}}<p><a href="{{.Link}}">{{.Title}}</a></p>{{end}}
{{with .Form}}<form method="post" action="{{.Action}}">{{range .Fields}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">{{end}}<button>Sign out{{if $.Tells}} at the sign-in service too{{end}}</button></form>{{end}}
{{if and .Link (not .Asks)}}<p><a href="{{.Link}}"{{if .NewTab}} target="_blank" rel="noopener"{{end}}>{{.Says.Next}}</a></p>{{end}}
`))

// Write answers with a page.
func (PlainPages) Write(w http.ResponseWriter, r *http.Request, p *Page) {
	h := w.Header()
	action := "'self'"
	if p.Form != nil {
		if u, err := url.Parse(p.Form.Action); err == nil && u.Host != "" {
			action += " " + u.Scheme + "://" + u.Host
		}
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action "+action+"; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	_ = plain.Execute(w, struct {
		*Page
		Says                struct{ Text, Next string }
		Tells, Asks, NewTab bool
	}{p, says[p.Kind], p.Kind == PageSignedOut, p.Kind == PageSignOut, p.Kind == PageNothingSent}) // the client may have gone away
}
