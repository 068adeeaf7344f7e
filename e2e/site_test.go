//go:build e2e

package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"testing"
	"text/template"

	"github.com/coder/websocket"

	"curfew.dev/curfew/internal/porttest"
)

//go:embed testdata/Site.caddyfile.tmpl
var siteText string

var siteFile = template.Must(template.New("Site.caddyfile").Parse(siteText))

// site is what a gateway needs that signs browsers in: app and wiki, which sign in
// by auth, over https, and localhost over http.
type site struct {
	Port, Plain                           string
	Certificate, Key                      string // paths
	Upstream                              string
	Bind                                  string // a line
	IssuerOptions, SignInOptions, Options string // lines

	clients []string // arguments of the provider
}

// browsing bounds the sites that are open at a time: a browser takes more of the
// machine than other tests do.
var browsing = make(chan struct{}, 3)

// newSite prepares a site. The provider must know its clients before the gateway
// starts.
func newSite(t *testing.T) *site {
	t.Helper()
	browsing <- struct{}{}
	t.Cleanup(func() { <-browsing })
	ports := porttest.Keep(t, 2)
	s := &site{Port: ports[0], Plain: ports[1], IssuerOptions: "fetch_timeout 1m"}
	pair := keyPair(t, t.TempDir(), "*.example.test")
	s.Certificate, s.Key = pair["cert"], pair["key"]
	u := httptest.NewServer(http.HandlerFunc(serveApplication))
	t.Cleanup(u.Close)
	s.Upstream = u.Listener.Addr().String()
	s.client("curfew-web", "https://auth.example.test:"+s.Port, "staff")
	s.client("curfew-local", "http://localhost:"+s.Plain, "local")
	return s
}

// client adds a client of the provider.
func (s *site) client(id, origin, signIn string, metadata ...any) {
	m := map[string]any{
		"client_id": id, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
		"redirect_uris":                       []string{origin + "/.curfew/callback/" + signIn},
		"post_logout_redirect_uris":           []string{origin + "/.curfew/signed-out"},
		"backchannel_logout_uri":              "https://auth.example.test:" + s.Port + "/.curfew/backchannel-logout",
		"backchannel_logout_session_required": true, "require_auth_time": true,
	}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i].(string)] = metadata[i+1]
	}
	text, _ := json.Marshal(m)
	s.clients = append(s.clients, "--client", string(text))
}

// startSite starts provider and gateway.
func startSite(t *testing.T, s *site, arguments ...string) (*gateway, *provider) {
	t.Helper()
	p := newProvider(t, append(s.clients, arguments...)...)
	return newGateway(t, p, config{text: siteFile, Site: s}), p
}

// origin is that of a host.
func (s *site) origin(host string) string {
	if host == "localhost" {
		return "http://localhost:" + s.Plain
	}
	return "https://" + host + ".example.test:" + s.Port
}

// serveApplication is the application behind the gateway.
func serveApplication(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the gateway has judged the origin
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, _, _ = c.Read(r.Context())
	case "/sse", "/fresh/sse":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Application</title><h1>Application</h1>
<p id="as">%s</p><p id="at">%s</p><p id="note">%s</p>
<form method="post" action="/note"><textarea name="note"></textarea><button>Keep</button></form></html>`,
			html.EscapeString(r.Header.Get("Curfew-Subject")), html.EscapeString(r.RequestURI), html.EscapeString(r.FormValue("note")))
	}
}
