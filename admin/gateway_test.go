package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

const (
	issuer      = "https://login.example.com"
	otherIssuer = "https://login.example.org"

	readToken  = "read-token-0123456789"
	writeToken = "write-token-0123456789"
	glassToken = "glass-token-0123456789"
	canary     = "canary-5f0c2d"
)

// failing is a ledger whose appends fail on demand.
type failing struct {
	ledger.Ledger
	err atomic.Pointer[error]
	// hold, if set, is what appends wait for, after saying so; late is what they
	// wait for once they are durable.
	hold, entered, late chan struct{}
}

func (f *failing) Append(ctx context.Context, r []revocation.Record, k ledger.Idempotency) (revocation.Position, bool, error) {
	if err := f.err.Load(); err != nil {
		return revocation.Position{}, false, *err
	}
	if f.hold != nil {
		select {
		case f.entered <- struct{}{}:
		default:
		}
		<-f.hold
	}
	pos, replayed, err := f.Ledger.Append(ctx, r, k)
	if f.late != nil {
		<-f.late
	}
	return pos, replayed, err
}

// gateway is an API over a real node and ledger.
type gateway struct {
	testing.TB
	http.Handler
	node    *node.Node
	ledger  *failing
	memory  *Memory
	seen    *account.Sightings
	log     *bytes.Buffer
	clock   *clock
	token   string
	headers map[string]string
}

// clock stands still unless the test lets time pass. The node reads it from
// goroutines of its own.
type clock struct{ unixNano atomic.Int64 }

func (g *gateway) now() time.Time       { return time.Unix(0, g.clock.unixNano.Load()) }
func (g *gateway) pass(d time.Duration) { g.clock.unixNano.Add(int64(d)) }

func newGateway(t testing.TB, change ...func(*Config)) *gateway {
	t.Helper()
	g := &gateway{TB: t, seen: new(account.Sightings), memory: new(Memory), log: new(bytes.Buffer), token: glassToken, clock: new(clock)}
	g.pass(time.Duration(time.Now().UnixNano()))
	dir := t.TempDir()
	g.node = node.New(node.Config{Name: "edge-1", Instance: "t", Now: g.now, Open: func() (ledger.Ledger, error) {
		l, err := local.Open(local.Options{Dir: dir, OnEmpty: local.Start, Now: g.now})
		if err != nil {
			return nil, err
		}
		g.ledger = &failing{Ledger: l}
		return g.ledger, nil
	}})
	if err := g.node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.node.Close() })
	for deadline := time.Now().Add(time.Minute); g.node.State() != node.Ready; {
		if time.Now().After(deadline) {
			t.Fatalf("the node is %s: %v", g.node.State(), g.node.Why())
		}
		<-time.After(time.Millisecond)
	}
	cfg := Config{
		Node: g.node, Memory: g.memory, Sightings: g.seen, Now: g.now,
		Issuers: []revocation.Issuer{
			{
				URL: issuer, ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour, MaxTokenLifetime: 28 * time.Hour,
				ExemptClients: []string{"xbox-console", "a-console"}, DeviceClaim: "device_id", TenantClaim: "org_id",
			},
			{
				URL: otherIssuer, ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour, MaxTokenLifetime: 28 * time.Hour,
			},
		},
		Facts: func(iss string) revocation.Facts {
			if iss != otherIssuer {
				return 0
			}
			return shows(revocation.AccessToken, revocation.Credential{Client: "web", Session: "s", TokenID: "j", KeyID: "k"})
		},
		Authenticate: tokens(t),
		Explain: func(_ context.Context, token string, policies []string) (Explanation, error) {
			if len(policies) > 0 {
				return Explanation{}, errors.Join(ErrUnknownPolicy, errors.New(policies[0]))
			}
			if token == "broken" {
				return Explanation{}, errors.New(canary)
			}
			return Explanation{Decision: "refuse", Reason: "signed-out", Rules: []policy.Tried{{Rule: "block", Outcome: "pass"}}}, nil
		},
		Log: slog.New(slog.NewJSONHandler(g.log, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.Handler = h
	return g
}

func tokens(t testing.TB) func(*http.Request) (Caller, error) {
	secret := func(s string) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(s), nil }
	}
	auth, err := httpapi.Bearer([]httpapi.NamedToken{
		{Name: "dashboards", Role: Read, Secret: secret(readToken)},
		{Name: "helpdesk", Role: Write, Secret: secret(writeToken)},
		{Name: "oncall", Role: BreakGlass, Secret: secret(glassToken)},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// as is the same gateway for another caller.
func (g *gateway) as(token string) *gateway {
	other := *g
	other.token = token
	return &other
}

// with is the same gateway for a caller that sends a header.
func (g *gateway) with(name, value string) *gateway {
	other := *g
	other.headers = map[string]string{name: value}
	for n, v := range g.headers {
		other.headers[n] = v
	}
	return &other
}

func (g *gateway) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	for name, value := range g.headers {
		r.Header.Set(name, value)
	}
	return r
}

func (g *gateway) do(method, path, body string) *reply {
	g.Helper()
	return g.send(g.request(method, path, body))
}

func (g *gateway) send(r *http.Request) *reply {
	g.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return &reply{TB: g.TB, ResponseRecorder: w}
}

func (g *gateway) post(path, body string) *reply { g.Helper(); return g.do("POST", path, body) }

// count is the number of records in the ledger.
func (g *gateway) count() int {
	g.Helper()
	n := 0
	if err := g.ledger.Read(g.Context(), revocation.Position{}, func(e revocation.Entry) error {
		n += len(e.Records)
		return nil
	}); err != nil {
		g.Fatal(err)
	}
	return n
}

// last is the newest record in the ledger.
func (g *gateway) last() revocation.Record {
	g.Helper()
	found, err := g.ledger.Search(g.Context(), ledger.Page{Limit: 1})
	if err != nil || len(found) != 1 {
		g.Fatalf("searching: %v, %d found", err, len(found))
	}
	return found[0].Record
}

// refused is the index's judgement of a credential from a minute ago.
func (g *gateway) refused(c revocation.Credential) bool {
	c.IssuedAt, c.AuthTime = g.now().Unix()-60, g.now().Unix()-60
	c.Seal()
	var f revocation.Finding
	g.node.Index().Find(&c, &f)
	return f.Blocked || f.Finally || f.SignIn.Through >= c.AuthTime || f.Refresh.Through >= c.IssuedAt || len(f.StepUps) > 0
}

type reply struct {
	testing.TB
	*httptest.ResponseRecorder
}

// want checks the status, and the problem's type where one is given.
func (r *reply) want(status int, problem ...string) *reply {
	r.Helper()
	if r.Code != status {
		r.Fatalf("status %d, want %d: %s", r.Code, status, r.Body)
	}
	if cc := r.Header().Get("Cache-Control"); cc != "no-store" {
		r.Errorf("Cache-Control %q", cc)
	}
	if len(problem) == 0 {
		return r
	}
	p := r.problem()
	if p.Type != "urn:curfew:"+problem[0] {
		r.Fatalf("problem %s, want %s: %s", p.Type, problem[0], r.Body)
	}
	return r
}

func (r *reply) problem() Problem {
	r.Helper()
	if ct := r.Header().Get("Content-Type"); ct != "application/problem+json" {
		r.Fatalf("content type %q: %s", ct, r.Body)
	}
	var p Problem
	r.into(&p)
	if p.Status != r.Code || p.Title == "" || p.RequestID == "" || p.RequestID != r.Header().Get("X-Request-Id") {
		r.Errorf("incomplete problem: %s", r.Body)
	}
	return p
}

func (r *reply) into(v any) {
	r.Helper()
	if err := json.Unmarshal(r.Body.Bytes(), v); err != nil {
		r.Fatalf("%v: %s", err, r.Body)
	}
}

func (r *reply) receipt() node.Receipt {
	r.Helper()
	var out node.Receipt
	r.into(&out)
	return out
}

// text is a JSON object.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

type object = map[string]any

func onTargetOf(members ...string) string {
	target := object{}
	for i := 0; i < len(members); i += 2 {
		target[members[i]] = members[i+1]
	}
	return text(object{"target": target})
}

func alice() string { return onTargetOf("iss", issuer, "sub", "alice") }
