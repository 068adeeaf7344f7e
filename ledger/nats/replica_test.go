package nats

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// While the disk fails, a node reads only as many records as may wait in memory.
func TestWhatWaitsForTheDiskIsBounded(t *testing.T) {
	r := newCounter(t).replica
	records := make([]revocation.Record, mostWaiting/8)
	for i := range records {
		records[i] = revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}}
	}
	if err := r.Close(); err != nil { // acts as a lost disk
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

// A mark that changes during the write of another one does not count as written.
// The next flush must write it, or a crash would lose it.
func TestMarkNotedDuringAFlush(t *testing.T) {
	r := newCounter(t).replica
	for i := range uint64(50) {
		r.note(mark{Sequence: 1})
		var before sync.WaitGroup
		before.Go(func() {
			if err := r.flush(); err != nil {
				t.Error(err)
			}
		})
		for tries := 0; tries < 1000 && r.writing.TryLock(); tries++ { // until that one writes, or has written
			r.writing.Unlock()
			runtime.Gosched()
		}
		time.Sleep(50 * time.Microsecond)
		r.note(mark{Sequence: 1, Restates: i + 1})
		if err := r.flush(); err != nil {
			t.Fatal(err)
		}
		before.Wait()
		if got, err := decodeMark(r.Mark()); err != nil || got.Restates != i+1 {
			t.Fatalf("flushed %d, the replica has %d, %v", i+1, got.Restates, err)
		}
	}
}
