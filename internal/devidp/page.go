package devidp

import (
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed page.html style.css
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "page.html"))

// page is the content of page.html: the sign-in form if Action is set, else the
// message alone.
type page struct {
	Title    string
	Message  string
	Action   string
	Client   string
	User     string
	Device   string
	NeedCode bool
}

func (p *Provider) showSignIn(w http.ResponseWriter, status int, request authorizationRequest, message string) {
	_, passwordWillDo := authentication{AMR: methods(false)}.acr(request.acrValues)
	show(w, status, redirectOrigin(request.redirectURI), page{
		Title:    "Sign in",
		Message:  message,
		Action:   signInPath + "?" + request.values.Encode(),
		Client:   request.client.ID,
		User:     request.values.Get("login_hint"),
		Device:   request.values.Get("device"),
		NeedCode: !passwordWillDo,
	})
}

// showError shows an error in the browser, for a request whose client can't be
// told. It shows the text of an [Error] only, because other errors may name
// files.
func (p *Provider) showError(w http.ResponseWriter, status int, err error) {
	message := "The provider could not do this."
	if refusal := (*Error)(nil); errors.As(err, &refusal) {
		message = refusal.Error()
	}
	show(w, status, "", page{Title: "Not possible", Message: message})
}

// show writes a page. Browsers apply form-action to the redirect after a form
// as well, so formTarget adds the origin of the client.
func show(w http.ResponseWriter, status int, formTarget string, content page) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; "+
		"frame-ancestors 'none'; form-action 'self' "+formTarget)
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, content) // the browser may have gone away
}

func redirectOrigin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "style.css")
}
