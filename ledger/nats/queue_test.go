package nats_test

import (
	"strings"
	"sync"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// An entry that fills a message is sent alone. Requests that wait with it are
// written too.
func TestLargeEntriesDoNotFlyTogether(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	following(t, a.Ledger)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			records := make([]revocation.Record, 20)
			for j := range records {
				records[j] = cut("alice", strings.Repeat("x", []int{50_000, 5_000}[i%2]))
			}
			if _, _, err := a.Append(t.Context(), records, ledger.Idempotency{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
