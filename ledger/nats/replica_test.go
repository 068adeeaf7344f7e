package nats

import (
	"errors"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// Where the disk takes nothing, no more is read than memory holds.
func TestWhatWaitsForTheDiskIsBounded(t *testing.T) {
	r := newCounter(t).replica
	records := make([]revocation.Record, mostWaiting/8)
	for i := range records {
		records[i] = revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}}
	}
	if err := r.Close(); err != nil { // a disk that is gone
		t.Fatal(err)
	}
	for i := range 8 {
		if err := r.room(); err != nil {
			t.Fatalf("after %d entries: %v", i, err)
		}
		at := revocation.Position{Epoch: 1, Sequence: uint64(i) + 1}
		r.add([]folded{{copy: local.Copy{Position: at, Records: records}}}, mark{Sequence: at.Sequence}, time.Unix(1, 0))
	}
	if err := r.room(); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("it goes on: %v", err)
	}
}
