package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/node"
)

// The others know within a heartbeat or two which claims a node has seen in tokens,
// until it is long gone.
func TestNodesTellOneAnotherWhatTokensCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		a := s.start(t, "a", node.Settings{})
		telling := func(bits uint64) func(*testNode) {
			return func(b *testNode) { b.facts = func() map[string]uint64 { return map[string]uint64{"idp": bits} } }
		}
		b := s.start(t, "b", node.Settings{}, telling(1))
		c := s.start(t, "c", node.Settings{}, telling(4))
		time.Sleep(2 * time.Second)
		if got := a.FactsElsewhere("idp"); got != 5 {
			t.Errorf("a knows %b", got)
		}
		if got := b.FactsElsewhere("idp"); got != 4 {
			t.Errorf("b knows %b", got)
		}
		if got := a.FactsElsewhere("other"); got != 0 {
			t.Errorf("of another issuer a knows %b", got)
		}
		_ = c.Close()
		time.Sleep(time.Hour)
		if got := a.FactsElsewhere("idp"); got != 1 {
			t.Errorf("an hour after c has left a knows %b", got)
		}
	})
}
