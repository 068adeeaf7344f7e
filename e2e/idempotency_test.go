//go:build e2e

package e2e

import (
	"net/http"
	"sync"
	"testing"
)

// TestRetry repeats a sign-out under one key, as a caller does whose first
// answer was lost, also across a crash.
func TestRetry(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	body := object{"target": g.target("sub", "alice"), "reason": "lost phone"}
	post := func(role string, body object) answer {
		return g.as(role).call(t, http.MethodPost, "/v1/revocations", body, "Idempotency-Key", "ticket-4711")
	}
	replay := func(what string, first receipt) {
		t.Helper()
		var r receipt
		a := post("write", body)
		a.decode(t, http.StatusCreated, &r)
		checkReceipt(t, r)
		if r.ID != first.ID || !r.At.Equal(first.At.Time) || a.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %s at %s, replayed %q, want %s at %s",
				what, r.ID, r.At, a.header.Get("Idempotent-Replayed"), first.ID, first.At)
		}
	}
	var first receipt
	post("write", body).decode(t, http.StatusCreated, &first)
	again := newBrowser(t, p, "alice", "phone-of-alice").signIn(t, "mobile")
	again = returns(t, g, again, "/")
	replay("a retry", first)
	g.Kill(t)
	g.Start(t)
	replay("a retry after kill -9", first)
	g.expect(t, admit, again, "/", "who had signed in before the retries")

	a := post("write", object{"target": g.target("sub", "bob")})
	if got := a.problem(t); a.status != http.StatusUnprocessableEntity || got != "idempotency-key-reused" {
		t.Errorf("the key for another request: %d %s", a.status, got)
	}
	var others receipt
	post("break_glass", body).decode(t, http.StatusCreated, &others)
	if others.ID == first.ID {
		t.Error("keys are shared between callers")
	}
}

// TestRetriesAtOnce sends one request many times at once: one record is made.
// Who comes while the first is running may be told so.
func TestRetriesAtOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	answers := make([]answer, 20)
	var all sync.WaitGroup
	for i := range answers {
		r := g.as("write").request(t, http.MethodPost, "/v1/revocations", object{"target": g.target("sub", "alice")}, "Idempotency-Key", "k")
		all.Go(func() {
			var err error
			if answers[i], err = g.exchange(r); err != nil {
				t.Errorf("asking the gateway: %v", err)
			}
		})
	}
	all.Wait()
	ids := make(map[string]int)
	for _, a := range answers {
		if a.status == http.StatusConflict && a.problem(t) == "idempotency-in-progress" {
			continue
		}
		var r receipt
		a.decode(t, http.StatusCreated, &r)
		ids[r.ID]++
	}
	if len(ids) != 1 {
		t.Errorf("the records are %v, want one", ids)
	}
}
