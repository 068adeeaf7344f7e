package local

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// After a failed commit, the same copies and more can be committed, whether the
// first ones were written or not.
func TestReplicaOnAFailingDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		broken func(*Replica) *os.File
		want   error
	}{
		"position": {func(r *Replica) *os.File { return r.position.file }, ledger.ErrOutcomeUnknown},
		"log":      {func(r *Replica) *os.File { return r.store.file }, ledger.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			r, err := OpenReplica(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { r.Close() }()
			var copies []Copy
			for round := range uint64(3) {
				if err := r.Commit(copies, []byte{byte(round)}); err != nil {
					t.Fatal(err)
				}
				before, mark := r.Head(), r.Mark()
				next := revocation.Position{Epoch: 2, Sequence: round + 9}
				copies = append(copies, Copy{Position: next, Records: cut(fmt.Sprint(round))})
				breakFile(t, tt.broken(r))
				if err := r.Commit(copies, []byte("failed")); !errors.Is(err, tt.want) {
					t.Fatalf("committing: %v, want %v", err, tt.want)
				}
				if r.Head() != before || string(r.Mark()) != string(mark) {
					t.Errorf("after a failure it is at %v, %q; was %v, %q", r.Head(), r.Mark(), before, mark)
				}
			}
			if err := r.Commit(copies, []byte("done")); err != nil {
				t.Fatal(err)
			}
			head := r.Head()
			r.Close()
			if r, err = OpenReplica(o); err != nil {
				t.Fatal(err)
			}
			n := 0
			err = r.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error { n++; return nil })
			if r.Head() != head || string(r.Mark()) != "done" || n != len(copies) || err != nil {
				t.Errorf("opened again: %d entries up to %v, mark %q, %v", n, r.Head(), r.Mark(), err)
			}
		})
	}
}
