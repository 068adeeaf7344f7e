package live

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
)

type parentKey struct{}

// After any operation, a lifetime shows the same as a context of the standard
// library.
func TestLifetimeIsACancelContext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, stop := context.WithCancelCause(context.WithValue(context.Background(), parentKey{}, "value"))
		defer stop(nil)
		want, cancel := context.WithCancel(parent)
		defer cancel()
		got := &lifetime{Context: parent}
		defer got.end()
		var below, model context.Context
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"wait", "end", "stop", "descend", "look"}).Draw(t, "step") {
			case "wait":
				got.Done()
			case "end":
				got.end()
				cancel()
			case "stop":
				stop(errors.New("gone"))
			case "descend":
				var leave, forget context.CancelFunc
				below, leave = context.WithCancel(got)
				model, forget = context.WithCancel(want)
				defer leave()
				defer forget()
			case "look":
				compare(t, "itself", got, want)
			}
			if below != nil {
				compare(t, "below", below, model)
			}
			if got.Err() != want.Err() {
				t.Fatalf("Err is %v, want %v", got.Err(), want.Err())
			}
		}
	})
}

func compare(t *rapid.T, which string, got, want context.Context) {
	if got.Err() != want.Err() || isDone(got) != isDone(want) || context.Cause(got) != context.Cause(want) {
		t.Fatalf("%s: %v, done %t, cause %v; want %v, %t, %v", which,
			got.Err(), isDone(got), context.Cause(got), want.Err(), isDone(want), context.Cause(want))
	}
	if got.Value(parentKey{}) != "value" {
		t.Fatalf("%s: the value is lost", which)
	}
}

func isDone(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// A context below a lifetime must cost no goroutine, and must end with it.
func TestLifetimeIsWaitedForWithoutGoroutines(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent()) // goroutines of other tests may still be ending
	parent, stop := context.WithCancel(t.Context())
	defer stop()
	l := &lifetime{Context: parent}
	before := runtime.NumGoroutine()
	var below []context.Context
	for range 100 {
		ctx, leave := context.WithCancel(context.WithValue(l, parentKey{}, 1))
		defer leave()
		below = append(below, ctx)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines for 100 contexts", n-before)
	}
	l.end()
	for _, ctx := range below {
		<-ctx.Done() // at once
	}
	if parent.Err() != nil {
		t.Error("its end went up, not down")
	}
}

// The first wait and the end may happen at the same time. The waiter must wake
// up.
func TestLifetimeEndsBesideTheFirstWait(t *testing.T) {
	for range 2000 {
		l := &lifetime{Context: t.Context()}
		var both sync.WaitGroup
		both.Go(l.end)
		both.Go(func() { <-l.Done() })
		both.Go(func() { _, _ = l.Err(), l.Value(parentKey{}) })
		both.Wait()
		if l.Err() != context.Canceled {
			t.Fatal("it goes on")
		}
	}
}

// A live request costs a copy of the http.Request. It costs nothing else if no
// handler waits for its context and the caller has provided memory.
func TestServeInAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	var g Registry
	c := revocation.Credential{Issuer: "https://login.example.com", Subject: "alice"}
	c.Seal()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	w, rooms := httptest.NewRecorder(), make([]Request, 1002)
	if n := testing.AllocsPerRun(1000, func() {
		q := &rooms[0]
		rooms = rooms[1:]
		_ = g.ServeIn(q, w, r, Terms{Credential: &c, Judge: always{}}, idle{})
	}); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

type always struct{}

func (always) Judge(Cause) *Refusal { return nil }

type idle struct{}

func (idle) ServeHTTP(http.ResponseWriter, *http.Request) error { return nil }
