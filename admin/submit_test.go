package admin

import (
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
)

func TestIdempotency(t *testing.T) {
	g := newGateway(t)
	body := text(object{"target": object{"iss": issuer, "sub": "alice"}, "reason": "x"})
	for path, body := range map[string]string{
		"/v1/revocations": body, "/v1/blocks": body, "/v1/step-ups": body,
		"/v1/devices/unlink": text(object{"iss": issuer, "sub": "alice", "device_id": "d", "reason": "x"}),
	} {
		keyed := g.with("Idempotency-Key", "key-"+path)
		before := g.count()
		first := keyed.post(path, body).want(201)
		again := keyed.post(path, " "+strings.Replace(body, `"reason":"x"`, `"reason" : "\u0078"`, 1)).want(201)
		if again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" ||
			again.Header().Get("Location") != first.Header().Get("Location") || first.Header().Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: got %s %v", path, again.Body, again.Header())
		}
		keyed.post(path, strings.Replace(body, "alice", "bob", 1)).want(422, "idempotency-key-reused")
		keyed.as(writeToken).post(path, body).want(201)
		if got := g.count() - before; got != 2 {
			t.Errorf("%s: %d records, want one for each caller", path, got)
		}
	}
	// A key is its caller's, whatever it was used for.
	g.with("Idempotency-Key", "key-/v1/revocations").post("/v1/blocks", body).want(422, "idempotency-key-reused")
}

func TestIdempotentLifts(t *testing.T) {
	g := newGateway(t)
	id := g.post("/v1/blocks", alice()).receipt().ID
	keyed := g.with("Idempotency-Key", "k")
	first := keyed.do("DELETE", "/v1/blocks/"+id, "").want(200)
	again := keyed.do("DELETE", "/v1/blocks/"+id, "").want(200)
	if first.Body.String() != again.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" || g.count() != 3 {
		t.Errorf("got %s, then %s", first.Body, again.Body)
	}
}

// What only confirms a request may differ: a retry may need a newer preview.
func TestARetryMayConfirmAnew(t *testing.T) {
	g := newGateway(t)
	keyed := g.with("Idempotency-Key", "k")
	body := object{"target": object{"iss": issuer}, "reason": "breach"}
	for i := range 2 {
		body["preview_id"] = g.previewed(onTargetOf("iss", issuer)).PreviewID
		body["max_affected"] = 10 + i
		keyed.post("/v1/revocations", text(body)).want(201)
	}
	if g.count() != 2 {
		t.Errorf("%d records", g.count())
	}
}

func TestIdempotencyKeysThatAreRefused(t *testing.T) {
	g := newGateway(t)
	for _, key := range []string{"", " ", "a b", "é", "a\x7f", strings.Repeat("a", 256)} {
		g.with("Idempotency-Key", key).post("/v1/revocations", alice()).want(400, "invalid-request")
	}
	r := g.request("POST", "/v1/revocations", alice())
	r.Header["Idempotency-Key"] = []string{"a", "b"}
	g.send(r).want(400, "invalid-request")
	g.with("Idempotency-Key", strings.Repeat("a", 255)).post("/v1/revocations", alice()).want(201)
}

func TestFiftyParallelRequestsWithOneKeyAreOne(t *testing.T) {
	g := newGateway(t)
	keyed := g.with("Idempotency-Key", "storm")
	before := g.count()
	var mu sync.Mutex
	ids, codes := map[string]bool{}, map[int]int{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			got := keyed.post("/v1/revocations", alice())
			mu.Lock()
			defer mu.Unlock()
			codes[got.Code]++
			switch got.Code {
			case 201:
				ids[got.receipt().ID] = true
			case 409:
				if p := got.problem(); p.Type != "urn:curfew:idempotency-in-progress" || got.Header().Get("Retry-After") == "" {
					t.Errorf("%+v", p)
				}
			default:
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	all.Wait()
	if len(ids) != 1 || g.count()-before != 1 {
		t.Errorf("answers %v, ids %v, %d records", codes, ids, g.count()-before)
	}
}

func TestAKeyThatIsStillRunning(t *testing.T) {
	g := newGateway(t)
	g.ledger.hold, g.ledger.entered = make(chan struct{}), make(chan struct{}, 1)
	keyed := g.with("Idempotency-Key", "k")
	first := make(chan *reply)
	go func() { first <- keyed.post("/v1/revocations", alice()) }()
	<-g.ledger.entered
	keyed.post("/v1/revocations", alice()).want(409, "idempotency-in-progress")
	close(g.ledger.hold)
	(<-first).want(201)
	keyed.post("/v1/revocations", alice()).want(201)
}

// R4: what is not durable is never answered with a 2xx.
func TestR4LedgerErrorsAreNotSuccess(t *testing.T) {
	for _, c := range []struct {
		err     error
		problem string
	}{
		{fmt.Errorf("writing: %w", ledger.ErrUnavailable), "ledger-unavailable"},
		{ledger.ErrUninitialised, "ledger-unavailable"},
		{fmt.Errorf("%w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly), "ledger-unavailable"},
		{ledger.ErrOutcomeUnknown, "outcome-unknown"},
		{ledger.ErrIntegrity, "ledger-damaged"},
		{http.ErrHandlerTimeout, "outcome-unknown"},
	} {
		t.Run(c.problem, func(t *testing.T) {
			g := newGateway(t)
			id := g.post("/v1/blocks", alice()).want(201).receipt().ID
			g.ledger.err.Store(&c.err)
			check := func(r *reply) {
				t.Helper()
				if r.want(503, c.problem).Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			for path, body := range map[string]string{
				"/v1/revocations": alice(), "/v1/blocks": alice(), "/v1/step-ups": alice(),
				"/v1/devices/unlink": text(object{"iss": issuer, "sub": "a", "device_id": "d"}),
			} {
				check(g.post(path, body))
				check(g.with("Idempotency-Key", path).post(path, body))
			}
			check(g.do("DELETE", "/v1/blocks/"+id, ""))
			check(g.with("Content-Type", "application/x-ndjson").post("/v1/revocations/import", alice()+"\n"))
			g.ledger.err.Store(nil)
			if c.problem != "ledger-damaged" {
				g.with("Idempotency-Key", "/v1/blocks").post("/v1/blocks", alice()).want(201)
			}
		})
	}
}

// Where another node would take the write, or an operator must mend something,
// the answer says so. A short Retry-After is only where waiting helps: clients
// go by it.
func TestUnavailableNamesTheMend(t *testing.T) {
	for want, c := range map[string]struct {
		err        error
		retryAfter string
	}{
		"send writes to another node": {fmt.Errorf("%w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly), "60"},
		"set the clock":               {fmt.Errorf("%w: this machine's clock is 3s ahead: set the clock", ledger.ErrUnavailable), "1"},
		"caddy curfew init":           {fmt.Errorf("%w: the node is starting: %w", ledger.ErrUnavailable, ledger.ErrUninitialised), "60"},
		"free or mend the disk":       {fmt.Errorf("%w: %w", ledger.ErrUnavailable, &fs.PathError{Op: "write", Err: syscall.ENOSPC}), "60"},
		"edge-2/1 (format 1)":         {fmt.Errorf("%w: %w: too old are edge-2/1 (format 1): upgrade these nodes", ledger.ErrUnavailable, node.ErrFormat), "60"},
		"retry later":                 {fmt.Errorf("%w: no leader", ledger.ErrUnavailable), "1"},
	} {
		g := newGateway(t)
		g.ledger.err.Store(&c.err)
		r := g.post("/v1/revocations", alice()).want(503, "ledger-unavailable")
		if p := r.problem(); !strings.Contains(p.Detail, want) {
			t.Errorf("the detail is %q, want it to name %q", p.Detail, want)
		}
		if got := r.Header().Get("Retry-After"); got != c.retryAfter {
			t.Errorf("%s: Retry-After %s, want %s", want, got, c.retryAfter)
		}
	}
}

func TestAClosedNodeWritesNothing(t *testing.T) {
	g := newGateway(t)
	if err := g.node.Close(); err != nil {
		t.Fatal(err)
	}
	g.post("/v1/revocations", alice()).want(503, "ledger-unavailable")
	g.post("/v1/revocations/search", `{}`).want(503, "ledger-unavailable")
	g.do("GET", "/v1/revocations/rev_1.1.0", "").want(503, "ledger-unavailable")
	g.do("GET", "/v1/events", "").want(503, "ledger-unavailable")
	g.do("GET", "/v1/nodes", "").want(200)
}
