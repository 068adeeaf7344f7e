//go:build e2e

package fleet

import (
	"context"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"curfew.dev/curfew/internal/gatewaytest"
)

const (
	stopSignal = syscall.SIGSTOP
	contSignal = syscall.SIGCONT
)

// F-15: a gateway whose process was stopped does not know that time has passed.
// The first requests that it sees when it goes on are those that came meanwhile:
// it must refuse them, or know.
func TestStoppedProcess(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 3)
	stopped, writer := f.gateways[2], f.gateways[0]
	people := crowd("person", 6)
	f.load(people, 20*time.Millisecond, f.gateways[:2]...)
	for round := range pick(1, 5) {
		name := people[round]
		if a := f.decides(stopped, name); a.status != http.StatusOK {
			t.Fatalf("before: %d", a.status)
		}
		if err := stopped.Process.Send(stopSignal); err != nil {
			t.Fatal(err)
		}
		r := f.mustRevoke(writer, name, "wait", "0s")
		if r.Enforcement.State != "pending" {
			t.Errorf("while a node is stopped the receipt says %s", r.Enforcement.State)
		}
		if by := r.Enforcement.EnforcedBy; by == nil {
			t.Error("the receipt has no bound")
		} else {
			rest(t.Context(), time.Until(by.Time)+pick(time.Second, time.Duration(round)*2*time.Second))
		}
		if r, _ := f.receipt(writer, name, r.ID); r.Enforcement.State != "enforced" {
			t.Errorf("after its bound the receipt says %+v", r.Enforcement)
		}
		// They wait in the kernel until the process goes on.
		var waiting sync.WaitGroup
		for range 5 {
			waiting.Go(func() {
				if a := f.ask(context.Background(), stopped, name); a.status != 401 && a.status != 503 {
					t.Errorf("the first decision of a stopped process: %d", a.status)
				}
			})
		}
		rest(t.Context(), 100*time.Millisecond)
		if err := stopped.Process.Send(contSignal); err != nil {
			t.Fatal(err)
		}
		waiting.Wait()
		took := gatewaytest.Eventually(t, patience, "it serves again", stopped.Ready)
		t.Logf("round %d: ready %s after SIGCONT", round, took)
		if a := f.decides(stopped, name); a.status != http.StatusUnauthorized {
			t.Errorf("then: %d", a.status)
		}
	}
	f.judge()
}
