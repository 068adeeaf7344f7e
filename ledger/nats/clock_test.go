package nats_test

import (
	"testing"
	"time"

	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// A node that catches up reads its own ticks late. Its clock still counts as right,
// and it may write.
func TestLateTicksSayNothingOfTheClock(t *testing.T) {
	e := join(t, fleetOptions(t, natstest.Run(t, 1), "a"))
	following(t, e.Ledger)
	const late = 1200 * time.Millisecond
	e.heard.mu.Lock() // its follower is busy with earlier entries
	for i := range 2 {
		if i > 0 {
			time.Sleep(late)
		}
		if err := e.tick(); err != nil {
			t.Error(err)
		}
	}
	e.heard.mu.Unlock()
	until(t, "both ticks come round", func() bool {
		e.heard.mu.Lock()
		defer e.heard.mu.Unlock()
		return len(e.ticks) == 2
	})
	e.measures()
	if offset := e.Connection().Offset; offset.Abs() > slowest/2 {
		t.Errorf("the clock seems to be off by %s", offset)
	}
}

// slowest is how long a tick may take to measure the clock. Its stamp is then at most
// half of that from the middle.
const slowest = time.Second

// measures makes a node tick until its clock is measured. A tick that takes longer
// than slowest does not count.
func (e *edge) measures() {
	e.t.Helper()
	until(e.t, e.options.Node+"'s clock is compared", func() bool { return e.Connection().Measured || e.tick() == nil && e.Connection().Measured })
}

// A node that begins the ledger signs out every verified token, even if its clock is
// behind.
func TestAGenesisIsNoEarlierThanWhatWasVerified(t *testing.T) {
	verified := time.Now().Add(10 * time.Minute).Truncate(time.Second)
	o := fleetOptions(t, natstest.Run(t, 1), "a")
	o.OnEmpty, o.Skew, o.Instant = local.SignOutAll, 2*time.Second, func() time.Time { return verified }
	e := join(t, o)
	following(t, e.Ledger)
	var r revocation.Record
	until(t, "the genesis is here", func() (ok bool) {
		found, err := e.Get(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}})
		r = found
		return err == nil
	})
	if r.Type != revocation.Genesis || r.Through != verified.Unix()+2 || r.At != verified.UnixMilli() || r.Time >= r.At {
		t.Errorf("it signs out until %d, want %d: %+v", r.Through, verified.Unix()+2, r)
	}
}
