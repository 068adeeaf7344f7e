package caddymodule

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/login"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
)

// browser is what a visit knows of the browser that a request comes from. It is
// empty where no browser signs in.
type browser struct {
	secure bool     // the request came over https
	sent   []string // the Cookie headers, if our cookies were taken out of them
	cookie string   // the session cookie
	two    bool     // there are several
	room   [1]string

	opened  bool // the cookie was looked at
	session *login.Session
	hit     bool // it was remembered
	problem login.Problem

	response response
}

// take takes our cookies out of a request: no handler behind needs them.
func (b *browser) take(r *http.Request) {
	b.secure = isSecure(r)
	if len(r.Header["Cookie"]) == 0 {
		return
	}
	b.cookie, b.two = login.Read(r.Header, login.CookiesOf(b.secure).Session)
	b.sent = login.StripRequest(r.Header, b.room[:0])
}

// open opens the session of the request, once.
func (b *browser) open(all *login.SignIns, r *http.Request, g *gateway) {
	if b.opened {
		return
	}
	b.opened = true
	b.session, b.hit, b.problem = all.Session(b.cookie, b.two, r, b.secure, g.now())
	b.response.deletes = b.problem.Deletes()
}

// asSent returns the request as the browser sent it: with our cookies, and at the
// address from before any rewrite. Only what answers in the gateway's name may see
// it.
func (b *browser) asSent(r *http.Request) *http.Request {
	sent := r.WithContext(r.Context())
	sent.Header = r.Header.Clone()
	if b.sent != nil {
		sent.Header["Cookie"] = b.sent
	}
	sent.URL = addressOf(r)
	sent.RequestURI = sent.URL.RequestURI()
	return sent
}

// addressOf returns the address of a request from before any rewrite.
func addressOf(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		u := *original.URL
		return &u
	}
	u := *r.URL
	return &u
}

// hostname is a host without its port.
func hostname(hostport string) string {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// around returns the response writer that stands around what answers a request, in
// which our cookies have their rules. outermost reports whether it did not stand
// there before: the caller then calls leave.
func (v *visit) around(w http.ResponseWriter) (_ http.ResponseWriter, outermost bool) {
	if v.response.ResponseWriter != nil {
		return w, false
	}
	v.response = response{ResponseWriter: w, visit: v, deletes: v.response.deletes}
	return &v.response, true
}

// leave ends what around began, so that routes for errors get another one.
func (v *visit) leave() { v.response.ResponseWriter = nil }

// response is the response writer behind the entrance of a server whose browsers
// sign in.
type response struct {
	http.ResponseWriter
	visit   *visit
	ours    bool // we answer, and not what is behind
	deletes bool // the session cookie goes
	begun   bool
}

// begin is called before the header is written.
func (p *response) begin(status int) {
	if p.begun {
		return
	}
	h := p.Header()
	if !p.ours {
		login.StripResponse(h)
	}
	if status < 200 {
		return // informational, or the beginning of another protocol
	}
	p.begun = true
	v := p.visit
	if p.deletes {
		login.Delete(h, login.CookiesOf(v.secure).Session)
	}
	if p.ours && status == http.StatusSeeOther {
		delete(h, "Www-Authenticate") // the browser is sent to sign in instead
	}
	if p.ours || v.by == nil || v.admitted == nil {
		return
	}
	if now := v.by.app.gateway.now(); status != http.StatusNotModified && v.admitted.Due(now) && v.admittedNow() {
		v.admitted.Renew(h, v.secure, now)
		return
	}
	if len(h["Cache-Control"]) == 0 {
		h.Set("Cache-Control", "private, no-cache")
	}
}

// admittedNow reports whether the request would be admitted at this moment.
func (v *visit) admittedNow() bool {
	n := v.by.app.gateway.node
	a := admission{guard: v.by, verified: v.verified, required: v.required, now: v.Now}
	if a.required == nil {
		a.required = new(policy.Requirements) // a trial asks for nothing
	}
	if n.State() != node.Ready {
		return false
	}
	d := a.decide(n)
	return d.Admits()
}

// WriteHeader begins the response.
func (p *response) WriteHeader(status int) {
	p.begin(status)
	p.ResponseWriter.WriteHeader(status)
}

// Write begins the response if nothing did.
func (p *response) Write(b []byte) (int, error) {
	p.begin(http.StatusOK)
	return p.ResponseWriter.Write(b)
}

// ReadFrom copies from a file to the connection without user-space buffers where
// the writer below can.
func (p *response) ReadFrom(r io.Reader) (int64, error) {
	p.begin(http.StatusOK)
	if below, ok := p.ResponseWriter.(io.ReaderFrom); ok {
		return below.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{p.ResponseWriter}, r)
}

// FlushError sends what is buffered.
func (p *response) FlushError() error {
	p.begin(http.StatusOK)
	return http.NewResponseController(p.ResponseWriter).Flush()
}

// Push starts an HTTP/2 server push.
func (p *response) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := p.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap returns the response writer below, for [http.ResponseController].
func (p *response) Unwrap() http.ResponseWriter { return p.ResponseWriter }
