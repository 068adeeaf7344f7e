package nats_test

import (
	"testing"
	"time"

	"curfew.dev/curfew/ledger/nats/natstest"
)

// A node that reads what it has missed gets its own ticks late. Its clock is
// right all the same, and it may write.
func TestLateTicksSayNothingOfTheClock(t *testing.T) {
	e := join(t, fleetOptions(t, natstest.Run(t, 1), "a"))
	following(t, e.Ledger)
	const late = 1200 * time.Millisecond
	e.heard.mu.Lock() // it is busy with what came before
	for i := range 2 {
		if i > 0 {
			time.Sleep(late)
		}
		if err := e.tick(); err != nil {
			t.Error(err)
		}
	}
	e.heard.mu.Unlock()
	until(t, "both ticks come round, and the clock is known", func() bool {
		e.heard.mu.Lock()
		defer e.heard.mu.Unlock()
		return len(e.ticks) == 2 && e.Connection().Measured
	})
	if offset := e.Connection().Offset; offset.Abs() > late/2 {
		t.Errorf("the clock seems to be off by %s", offset)
	}
}
