package node_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// whileReady refuses what a node has cut, and everything unless it is ready.
type whileReady struct {
	node    *node.Node
	subject string
}

func (w whileReady) Judge(live.Cause) *live.Refusal {
	if w.node.State() == node.Ready && !isCut(w.node, w.subject) {
		return nil
	}
	return &live.Refusal{Reason: "refused", Write: func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}}
}

type untilCut struct{ began chan<- struct{} }

func (u untilCut) ServeHTTP(_ http.ResponseWriter, r *http.Request) error {
	u.began <- struct{}{}
	<-r.Context().Done()
	return nil
}

// open has a subject make a request that lasts until it is cut.
func open(t *testing.T, n *node.Node, of *live.Registry, subject string) (ended <-chan int) {
	t.Helper()
	return openJudged(t, of, subject, whileReady{n, subject})
}

func openJudged(t *testing.T, of *live.Registry, subject string, by live.Judge) (ended <-chan int) {
	t.Helper()
	c := &revocation.Credential{Issuer: issuer, Subject: subject, IssuedAt: 1, AuthTime: 1}
	c.Seal()
	began, status := make(chan struct{}), make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		_ = of.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), live.Terms{Credential: c, Judge: by}, untilCut{began})
		status <- w.Code
	}()
	<-began
	return status
}

// A write ends the live requests that it refuses and no others, and its receipt
// counts them; a node that is not ready any more ends all.
func TestWritesCutWhatIsLive(t *testing.T) {
	requests := new(live.Registry)
	n := node.New(node.Config{Open: inDir(t.TempDir(), local.Start), Live: requests})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	await(t, n, node.Ready)
	alice1, alice2, bob := open(t, n, requests, "alice"), open(t, n, requests, "alice"), open(t, n, requests, "bob")

	w, err := n.Submit(t.Context(), []revocation.Record{cutOf("carol"), cutOf("alice")}, ledger.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	for item, want := range []int{0, 2} {
		r, err := n.Receipt(t.Context(), revocation.Ref{Position: w.Position, Item: uint16(item)})
		if err != nil {
			t.Fatal(err)
		}
		if r.Enforcement.LiveRequestsCut != want || r.Enforcement.Nodes[0].LiveRequestsCut != want {
			t.Errorf("record %d: the receipt counts %+v, want %d", item, r.Enforcement, want)
		}
	}
	for _, ended := range []<-chan int{alice1, alice2} {
		if status := <-ended; status != http.StatusUnauthorized {
			t.Errorf("alice got %d", status)
		}
	}
	select {
	case <-bob:
		t.Error("bob's ended too")
	default:
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if status := <-bob; status != http.StatusUnauthorized {
		t.Errorf("bob got %d when the node closed", status)
	}
}

// A cut that takes long is the business of one, however often the node looks
// whether it has everything: the receipt would else count a part of it.
func TestLongCutsAreMadeOnce(t *testing.T) {
	requests := new(live.Registry)
	n := node.New(node.Config{Open: inDir(t.TempDir(), local.Start), Live: requests})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	await(t, n, node.Ready)
	judged := unhurried{whileReady{n, "alice"}, new(atomic.Int32)}
	ended := openJudged(t, requests, "alice", judged)
	w, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	if k := judged.asked.Load(); k != 2 {
		t.Errorf("it was judged %d times, want once when it was registered and once when it was cut", k)
	}
	r, err := n.Receipt(t.Context(), revocation.Ref{Position: w.Position})
	if err != nil || r.Enforcement.LiveRequestsCut != 1 {
		t.Errorf("the receipt counts %+v, %v", r.Enforcement, err)
	}
}

// unhurried takes longer over a cut than the node's rounds, which are a second.
type unhurried struct {
	whileReady
	asked *atomic.Int32
}

func (u unhurried) Judge(c live.Cause) *live.Refusal {
	if u.asked.Add(1) > 1 {
		time.Sleep(2500 * time.Millisecond)
	}
	return u.whileReady.Judge(c)
}

// What its owner can't vouch for keeps a node from being ready, though it follows its
// ledger.
func TestAHeldNodeIsNotReady(t *testing.T) {
	var registry live.Registry
	n := node.New(node.Config{Name: "edge", Instance: "1", Open: inDir(t.TempDir(), local.Start), Live: &registry})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	await(t, n, node.Ready)
	ended := open(t, n, &registry, "alice")
	n.Hold(errors.New("other names"))
	if status := <-ended; status != http.StatusUnauthorized {
		t.Errorf("what was live ended with %d", status)
	}
	if n.State() != node.Starting || n.StateAt(time.Now()) != node.Starting || n.Why() == nil || n.Why().Error() != "other names" {
		t.Errorf("held: %s, %v", n.State(), n.Why())
	}
	if _, err := n.Submit(t.Context(), []revocation.Record{cutOf("alice")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a write: %v", err)
	}
	n.Hold(nil)
	if n.State() != node.Ready || n.Why() != nil {
		t.Errorf("released: %s, %v", n.State(), n.Why())
	}
}
