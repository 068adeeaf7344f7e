package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/node"
)

// What one node has seen tokens carry, the others know within a heartbeat or two,
// until it is long gone.
func TestNodesTellOneAnotherWhatTokensCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSea()
		a := s.launch(t, "a", node.Settings{})
		telling := func(bits uint64) func(*boat) {
			return func(b *boat) { b.facts = func() map[string]uint64 { return map[string]uint64{"idp": bits} } }
		}
		b := s.launch(t, "b", node.Settings{}, telling(1))
		c := s.launch(t, "c", node.Settings{}, telling(4))
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
