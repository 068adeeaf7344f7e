package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/token"
)

// Connections says how long a request may go on after it was admitted.
type Connections struct {
	// What becomes of a request whose token expires, or whose sign-in gets older
	// than the `max_age` of its route: `grace` (the default) ends it
	// `connection_grace` later, `enforce` at once, `ignore` never.
	ConnectionExpiry string `json:"connection_expiry,omitempty"`

	// How long a request may outlive its token, or its `max_age`. Default: 30s.
	ConnectionGrace caddy.Duration `json:"connection_grace,omitempty"`

	// How long any request may last. Default: no limit.
	MaxConnectionAge caddy.Duration `json:"max_connection_age,omitempty"`

	// The code in the close frame of a WebSocket whose session has ended: 1008
	// (the default), or 3000 to 4999, which are for applications.
	WebSocketCloseCode int `json:"websocket_close_code,omitempty"`

	endsExpired bool // a request whose token expires
}

const defaultConnectionGrace = caddy.Duration(30 * time.Second)

func (c *Connections) setDefaults() error {
	if err := choose("connection_expiry", &c.ConnectionExpiry, []string{"grace", "enforce", "ignore"}); err != nil {
		return err
	}
	switch {
	case c.WebSocketCloseCode != 0 && c.WebSocketCloseCode != 1008 && (c.WebSocketCloseCode < 3000 || c.WebSocketCloseCode > 4999):
		return in("websocket_close_code", "", fmt.Errorf("websocket_close_code %d: want 1008, or 3000 to 4999, which are for applications", c.WebSocketCloseCode))
	case c.ConnectionGrace < 0:
		return errors.New("connection_grace is negative: give a duration such as 30s, or leave it out")
	case c.MaxConnectionAge < 0:
		return in("max_connection_age", "", errors.New("max_connection_age is negative: give a duration such as 12h, or leave it out for no limit"))
	case c.ConnectionGrace > 0 && c.ConnectionExpiry != "grace":
		return fmt.Errorf("connection_grace is for connection_expiry grace, and this is %s: remove one of them", c.ConnectionExpiry)
	case c.ConnectionGrace == 0 && c.ConnectionExpiry == "grace":
		c.ConnectionGrace = defaultConnectionGrace
	}
	c.endsExpired = c.ConnectionExpiry != "ignore"
	return nil
}

// parseExpiry reads
//
//	connection_expiry enforce | grace <duration> | ignore
func (c *Connections) parseExpiry(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || (len(args) == 2) != (args[0] == "grace") || len(args) > 2 {
		return d.Err("want `connection_expiry enforce`, `grace <duration>` or `ignore`")
	}
	c.ConnectionExpiry = args[0]
	if len(args) == 2 {
		grace, err := caddy.ParseDuration(args[1])
		if err != nil || grace <= 0 {
			return d.Errf("grace %s: want a duration such as 30s; for none, write `connection_expiry enforce`", args[1])
		}
		c.ConnectionGrace = caddy.Duration(grace)
	}
	return nil
}

// parseCloseCode reads
//
//	websocket_close_code <code>
func (c *Connections) parseCloseCode(d *caddyfile.Dispenser) error {
	var text string
	if !d.AllArgs(&text) {
		return d.Err("write `websocket_close_code <code>`: want 1008, or 3000 to 4999, which are for applications")
	}
	code, err := strconv.Atoi(text)
	if err != nil || code == 0 {
		return d.Errf("websocket_close_code %s: want 1008, or 3000 to 4999, which are for applications", text)
	}
	c.WebSocketCloseCode = code
	return nil
}

// closeCode is the code for a refusal of this status. The configured one says
// that the session has ended; what passes without a new sign-in says 1008.
func (c *Connections) closeCode(status int) uint16 {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return uint16(c.WebSocketCloseCode)
	}
	return 0
}

// terms are how long a request may last that is admitted now. A sign-in that gets
// too old for the guard ends it as the expiry of the credential does.
func (c *Connections) terms(admitted *policy.Case, now time.Time) live.Terms {
	t := live.Terms{Credential: admitted.Credential}
	if c.endsExpired {
		t.Expires = time.Unix(admitted.Credential.ExpiresAt, int64(c.ConnectionGrace))
		if at, decays := admitted.DecaysAt(); decays {
			t.Decays = time.Unix(at, int64(c.ConnectionGrace))
		}
	}
	if c.MaxConnectionAge > 0 {
		t.Until = now.Add(time.Duration(c.MaxConnectionAge))
	}
	return t
}

// admission is what a request was admitted by. It does not change once it is
// registered, since other goroutines read it.
type admission struct {
	guard    *Guard // the last on the route
	visit    *visit
	verified *token.Verified
	required *policy.Requirements // of all on the route
	now      int64                // Unix seconds
}

// serve hands an admitted request on and keeps it registered as live until it
// ends. The first guard of a route registers a request, and those after it narrow
// the terms.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler, now time.Time) error {
	if g.DryRun {
		return next.ServeHTTP(w, r)
	}
	terms := g.Connections.terms(&v.Case, now) // the requirements are those of this guard
	if v.live != nil {
		terms.Judge = &admission{guard: g, visit: v, verified: v.verified, required: v.required, now: v.Now}
		if !v.live.Narrow(terms) {
			return nil
		}
		return next.ServeHTTP(w, r)
	}
	s := v.newStay()
	s.admission = admission{guard: g, visit: v, verified: v.verified, required: v.required, now: v.Now}
	v.next = next
	terms.Judge = &s.admission
	// The deadlines of the connection itself: those of Caddy's idle timeouts are
	// for the handler's goroutine alone.
	switch reader, writer := caddyhttp.IdleTimeoutsFromContext(r.Context()); {
	case writer != nil:
		terms.Controller = writer.Ctrl
	case reader != nil:
		terms.Controller = reader.Ctrl
	}
	err := g.app.gateway.live.ServeIn(&s.request, w, r, terms, v)
	v.live = nil // an error route may follow
	return err
}

// stay is one registration of a request. It is not used twice, because another
// goroutine may still hold it when the request has ended.
type stay struct {
	admission admission
	request   live.Request
}

// newStay is the registration inside the visit. An error route that registers the
// request again gets a new one.
func (v *visit) newStay() *stay {
	if v.stay.admission.guard == nil {
		return &v.stay
	}
	return new(stay)
}

// ServeHTTP lets the visit stand between the live request and what is behind
// the guard, without an allocation.
func (v *visit) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	v.live, _ = w.(*live.Request)
	return v.next.ServeHTTP(w, r)
}

// The reasons of cuts that no policy knows.
const (
	reasonExpired  = "expired"
	reasonDecayed  = "max-age"
	reasonAged     = "max-connection-age"
	reasonStopping = "stopping"
)

// Judge says whether the request would be admitted now, by the index of now and
// by the time of its admission: when a max_age that has passed since ends the
// request is a matter of its terms.
func (a *admission) Judge(c live.Cause) *live.Refusal {
	switch c {
	case live.Expired:
		return a.refusal(policy.Decision{Reason: policy.InvalidToken}, reasonExpired)
	case live.Decayed:
		return a.refusal(a.tooOld(), reasonDecayed)
	case live.Aged:
		// It may come again at once, with the same credential.
		return a.refusal(policy.Decision{Reason: policy.NotReady}, reasonAged)
	case live.Stopping:
		return a.refusal(policy.Decision{Reason: policy.NotReady}, reasonStopping)
	}
	n := a.guard.app.gateway.node
	if s := n.State(); s != node.Ready {
		d := refusalOf(errNotReady{s})
		return a.refusal(d, d.Reason.String())
	}
	d := a.decide(n)
	if d.Admits() {
		return nil
	}
	return a.refusal(d, d.Reason.String())
}

func (a *admission) decide(n *node.Node) policy.Decision {
	if a.verified.Clean.Load() == n.Index().Generation()+1 {
		return policy.Decision{} // nothing was written since it was admitted
	}
	c := policy.Case{Credential: &a.verified.Credential, Requirements: a.required, Now: a.now}
	if look(n, a.verified, &c); c.Finding.Clear() {
		return policy.Decision{}
	}
	c.Issuer, c.Claims = a.guard.app.issuers[c.Credential.Issuer], a.guard.app.claimsOf(a.verified)
	d := c.Decide()
	if !d.Admits() {
		// The challenge is for now.
		c.Now = a.guard.app.gateway.now().Unix()
		if present := c.Decide(); !present.Admits() {
			return present
		}
	}
	return d
}

// tooOld is what a new request gets whose sign-in is too long ago.
func (a *admission) tooOld() policy.Decision {
	app := a.guard.app
	c := app.caseOf(&a.verified.Credential, a.required, app.gateway.now())
	c.Claims = app.claimsOf(a.verified)
	if d := c.Decide(); !d.Admits() {
		return d
	}
	return policy.Decision{Reason: policy.StepUpRequired} // the clock was set back
}

func (a *admission) refusal(d policy.Decision, reason string) *live.Refusal {
	return &live.Refusal{
		Reason: reason, Status: d.Reason.Status(), CloseCode: a.guard.closeCode(d.Reason.Status()),
		Write: func(w http.ResponseWriter, r *http.Request) error {
			return a.guard.answer(w, r, a.visit, a.required, d)
		},
		Note: func(r *http.Request) {
			logDecision(r, &logged{
				decision: "cut", reason: reason, policy: a.guard.label, revocation: d.RevocationID(),
				issuer: a.verified.Credential.Issuer, client: a.verified.Credential.Client, cached: true,
			})
		},
	}
}
