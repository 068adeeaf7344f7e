package node_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// history is a fleet through partitions, crashes, stuck logs and lost messages,
// beside everything that was acknowledged.
type history struct {
	shared  *sharedLog
	fleet   []*testNode
	writes  []*write
	drowned []*testNode // instances that crashed, and may still be serving
}

type write struct {
	sub   string
	by    *testNode
	pos   revocation.Position
	acked time.Time
	bound time.Time       // the last that a receipt gave; zero: none
	here  map[string]bool // instances that have ever had it
}

func (h *history) serving() []*testNode { return append(slices.Clone(h.fleet), h.drowned...) }

// check holds every node to every promise that was made, at this instant.
func (h *history) check(t *rapid.T) {
	synctest.Wait()
	now := time.Now()
	for _, b := range h.serving() {
		ready := b.StateAt(now) == node.Ready
		for _, w := range h.writes {
			has := isCut(b.Node, w.sub)
			switch {
			case !has && w.here[b.ID()]:
				t.Fatalf("%s has un-revoked %s", b.ID(), w.sub)
			case has || !ready || b.StaleAt(now): // nobody promised anything of one that serves though it is stale
			case now.Sub(w.acked) > b.settings.MaxStaleness:
				t.Fatalf("%s is ready without %s, acknowledged %s ago; its bound is %s", b.ID(), w.sub, now.Sub(w.acked), b.settings.MaxStaleness)
			case !w.bound.IsZero() && now.After(w.bound):
				t.Fatalf("%s is ready without %s, %s after the bound of its receipt", b.ID(), w.sub, now.Sub(w.bound))
			}
			w.here[b.ID()] = has
		}
	}
	for _, w := range h.writes {
		h.checkReceipt(t, w, now)
	}
}

// checkReceipt reads a write's receipt wherever it can be read.
func (h *history) checkReceipt(t *rapid.T, w *write, now time.Time) {
	r := cutOf(w.sub)
	for _, b := range h.fleet {
		got := b.ReceiptOf(&r, revocation.Ref{Position: w.pos}).Enforcement
		if got.EnforcedBy != nil && b == w.by {
			w.bound = got.EnforcedBy.Time
		}
		for _, line := range got.Nodes {
			for _, of := range h.serving() {
				switch {
				case of.ID() != line.Node || of.StateAt(now) != node.Ready || isCut(of.Node, w.sub):
				case line.State != "pending":
					t.Fatalf("%s says that %s is %s, and it serves without %s", b.ID(), of.ID(), line.State, w.sub)
				}
			}
		}
		if got.State != "enforced" {
			continue
		}
		for _, of := range h.serving() {
			// One that serves though it is stale is nobody's promise. A node that
			// started since does not know of it.
			if of.StateAt(now) == node.Ready && !of.StaleAt(now) && !isCut(of.Node, w.sub) {
				t.Fatalf("%s says that %s is enforced, and %s serves without it: %+v", b.ID(), w.sub, of.ID(), got)
			}
		}
	}
}

func (h *history) any(t *rapid.T) *testNode {
	return h.fleet[rapid.IntRange(0, len(h.fleet)-1).Draw(t, "node")]
}

func (h *history) write(t *rapid.T) {
	b := h.any(t)
	sub := fmt.Sprint("user-", len(h.writes))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	w, err := b.Submit(ctx, []revocation.Record{cutOf(sub)}, ledger.Idempotency{})
	if err != nil {
		return
	}
	if !isCut(b.Node, sub) {
		t.Fatalf("%s acknowledged %s and does not know it", b.ID(), sub)
	}
	h.writes = append(h.writes, &write{sub: sub, by: b, pos: w.Position, acked: time.Now(), here: make(map[string]bool)})
	b.Await(ctx, w.Position)
}

// crash leaves the instance as it is, cut off for good, and starts another: from
// outside nobody can tell a dead process from one that nobody hears.
func (h *history) crash(t *rapid.T) {
	b := h.any(t)
	ghost := *b
	b.end().set(func(e *end) { e.down = true })
	h.drowned = append(h.drowned, &ghost)
	b.start(t)
}

func (h *history) close() {
	for _, b := range h.serving() {
		_ = b.Close()
	}
}

// bubbled is a test without a deadline: there is none in a bubble.
type bubbled struct{ rapid.TB }

// Whatever happens to a fleet, in whatever order: no node serves without what
// it should know, and no receipt says more than is true.
func TestHistoriesOfAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			h := &history{shared: newSharedLog()}
			defer h.close()
			for i := range rapid.IntRange(1, 4).Draw(rt, "nodes") {
				b := &testNode{shared: h.shared, name: string(rune('a' + i)), settings: node.Settings{
					MaxStaleness: rapid.SampledFrom([]time.Duration{2 * time.Second, 5 * time.Second, 30 * time.Second}).Draw(rt, "max_staleness"),
					Unbounded:    rapid.IntRange(0, 9).Draw(rt, "unbounded") == 0,
				}}
				b.start(rt)
				h.fleet = append(h.fleet, b)
			}
			time.Sleep(rapid.SampledFrom([]time.Duration{0, 5 * time.Second}).Draw(rt, "before"))
			rt.Repeat(map[string]func(*rapid.T){
				"":           h.check,
				"write":      h.write,
				"write more": h.write,
				"wait": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond)
				},
				"a moment":  func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 20).Draw(t, "ms")) * time.Millisecond) },
				"partition": func(t *rapid.T) { h.any(t).down(true) },
				"mend":      func(t *rapid.T) { h.any(t).down(false) },
				"stick":     func(t *rapid.T) { h.any(t).end().set(func(e *end) { e.stuck = !e.stuck }) },
				"detour":    func(t *rapid.T) { h.any(t).end().set(func(e *end) { e.detour = !e.detour }) },
				"mute":      func(t *rapid.T) { h.any(t).end().set(func(e *end) { e.mute = !e.mute }) },
				"crash":     h.crash,
				"restart": func(t *rapid.T) {
					b := h.any(t)
					_ = b.Close()
					b.start(t)
				},
				"damage": func(t *rapid.T) {
					h.any(t).end().set(func(e *end) { e.failure = ledger.ErrIntegrity })
				},
				"reconfigure": func(t *rapid.T) {
					b := h.any(t)
					b.settings.MaxStaleness = rapid.SampledFrom([]time.Duration{2 * time.Second, 30 * time.Second}).Draw(t, "max_staleness")
					b.Configure(b.settings)
				},
			})
		})
	})
}
