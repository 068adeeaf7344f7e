package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"curfew.dev/curfew/internal/pages"
	"curfew.dev/curfew/internal/unread"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/token"
)

// retryAfter is the time after which a client should retry, in seconds, if the
// refusal is temporary.
const retryAfter = "1"

// refuse answers the request. With dry_run it lets the request pass without
// identity, and otherwise never contacts the upstream. A cause is the error
// that kept the request from being judged. It is nil for a request that was
// judged.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, v *visit, d policy.Decision, cause error) error {
	entry := logged{decision: "refuse", dryRun: g.DryRun, policy: g.label, reason: d.Reason.String(), revocation: d.RevocationID(), cached: v.cached}
	if v.Credential != nil {
		entry.issuer, entry.client = v.Credential.Issuer, v.Credential.Client
	}
	if g.DryRun {
		entry.decision = "would_refuse"
	}
	g.explain(&entry, v.verified, cause)
	if g.DryRun {
		g.outcomes.wouldRefuse[d.Reason].Inc()
		// A request that an earlier guard admitted keeps its identity.
		if v.guards == 0 {
			g.identity.SetAnonymous(r.Header, g.extent(v))
		}
		if g.stripAuthorization {
			r.Header.Del("Authorization")
		}
		logDecision(r, &entry)
		return next.ServeHTTP(w, r)
	}
	g.outcomes.refuse[d.Reason].Inc()
	if v.verified != nil {
		g.app.setUser(r, factsOf(v.verified))
	}
	logDecision(r, &entry)
	linger := unread.Ignore(w, r)
	if err := g.answer(w, r, v, g.demanded(v), d); err != nil {
		return err // error routes answer
	}
	linger()
	return nil
}

// explain logs the reason at debug level, because the client is not told. It
// writes neither a token nor a subject.
func (g *Guard) explain(entry *logged, t *token.Verified, cause error) {
	line := g.log.Check(zap.DebugLevel, "refused")
	if line == nil {
		return
	}
	issuer, client, why := entry.issuer, entry.client, entry.reason
	var bad *token.Error
	if errors.As(cause, &bad) {
		why = bad.Detail
		if issuer == "" {
			issuer, client = bad.Issuer, bad.Client
		}
	} else if cause != nil {
		why = cause.Error() // such as a proof that was refused
	}
	var ignored []string
	if t != nil {
		ignored = t.Ignored()
	}
	line.Write(zap.Strings("ignored_claims", ignored), zap.String("decision", entry.decision), zap.String("reason", entry.reason), zap.String("cause", why),
		zap.String("issuer", issuer), zap.String("client", client), zap.String("policy", entry.policy),
		zap.String("revocation_id", entry.revocation), zap.Bool("dry_run", entry.dryRun))
}

// demanded returns the requirements of the guards up to this one.
func (g *Guard) demanded(v *visit) *policy.Requirements {
	if v.required == nil {
		return &g.required
	}
	return v.requiredWith(g)
}

// answer writes a refusal. required are the requirements of the guards up to this
// one.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, v *visit, required *policy.Requirements, d policy.Decision) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.curfew.reason", d.Reason.String())
	repl.Set("http.curfew.problem_type", d.Reason.ProblemType())
	repl.Set("http.curfew.revocation_id", d.RevocationID())

	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if d.Reason.Challenges() {
		h.Set("WWW-Authenticate", g.challenge(r, v, &d))
		g.askForNonce(h, v)
	}
	if d.Reason.Status() == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	signIn := ""
	if g.site != nil {
		var answered bool
		if answered, signIn = g.answerBrowser(w, r, v, required, &d); answered {
			return nil
		}
	}
	switch {
	case g.SignInURL != "" && d.Reason.Status() == http.StatusUnauthorized && r.Method == http.MethodGet && isNavigation(r):
		return g.redirect(w, r)
	case g.failRefusals:
		g.withhold(r, v)
		return caddyhttp.Error(d.Reason.Status(), errors.New(d.Reason.String()))
	}
	v.response.ours = true
	g.respond(w, r, d.Reason, signIn)
	return nil
}

// withhold removes credential, identity and body from a request that goes to
// the error routes. They are not meant for a server that shows error pages, and
// such a server would wait for the body.
func (g *Guard) withhold(r *http.Request, v *visit) {
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, 0, nil, nil
	for _, name := range [...]string{"Content-Length", "Expect", "Trailer"} {
		delete(r.Header, name)
	}
	g.app.carried.Purge(r.Header)
	g.identity.SetAnonymous(r.Header, g.extent(v))
	r.Header.Del("Authorization")
	delete(r.Header, dpopHeader)
	for _, source := range g.sources {
		if source.Cookie != "" {
			r.Header.Del("Cookie")
		}
	}
	// Caddy gives error routes the original URL, from before any rewrite.
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && token.QueryToken(&original) {
		original.URL.RawQuery = ""
	}
}

// isNavigation reports whether a browser shows the answer to a person.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		dest := r.Header.Get("Sec-Fetch-Dest")
		return mode == "navigate" && (dest == "" || dest == "document")
	}
	return r.Method == http.MethodGet && strings.HasPrefix(r.Header.Get("Accept"), "text/html")
}

// redirect sends a browser to sign in. It does not pass on the address that the
// browser requested, because the sign-in page would become an open redirector.
func (g *Guard) redirect(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Del("WWW-Authenticate")
	h.Set("Location", g.SignInURL)
	w.WriteHeader(http.StatusFound)
	return nil
}

func checkSignInURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && (u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/")) {
		return in("sign_in_url", "", fmt.Errorf("sign_in_url %q: want an absolute URL or a path", s))
	}
	return nil
}

// respond writes the problem (RFC 9457), or a page for people.
func (g *Guard) respond(w http.ResponseWriter, r *http.Request, reason policy.Reason, signIn string) {
	set, navigates := g.app.lonePages, isNavigation(r)
	if g.site != nil {
		set, navigates = g.app.pages, login.IsNavigation(r)
	}
	if navigates {
		set.Render(w, r, reason.Status(), pages.Refused{Problem: reason.String()})
		return
	}
	body, _ := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		SignIn string `json:"sign_in,omitempty"`
	}{reason.ProblemType(), reason.Title(), reason.Status(), signIn})
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(reason.Status())
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
