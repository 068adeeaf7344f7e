package local_test

import (
	"context"
	"os"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

// An index that is read from undamaged files equals the index of the written
// history, horizons included. This holds after a restart, after adopting, and in a
// replica.
func TestTheIndexOfTheFilesIsThatOfTheHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		must(rt, err)
		copied, err := os.MkdirTemp(t.TempDir(), "")
		must(rt, err)
		o := local.Options{Dir: dir, OnEmpty: local.Start}
		l, err := local.Open(o)
		must(rt, err)
		r, err := local.OpenReplica(local.Options{Dir: copied})
		must(rt, err)
		for _, e := range revocationtest.History(rt) {
			_, _, err := l.Append(context.Background(), e.Records, ledger.Idempotency{})
			must(rt, err)
		}
		var copies []local.Copy
		var was revocation.Index // cuts expire in it meanwhile
		must(rt, l.Read(context.Background(), revocation.Position{}, func(e revocation.Entry) error {
			if was.Apply(e); rapid.Bool().Draw(rt, "expire") {
				was.Expire(revocationtest.Start + rapid.Int64Range(0, revocationtest.Span).Draw(rt, "then"))
			}
			copies = append(copies, local.Copy{Position: e.Position, Records: e.Records})
			return nil
		}))
		must(rt, r.Commit(copies, nil))
		must(rt, l.Close())
		must(rt, r.Close())
		if rapid.Bool().Draw(rt, "adopt") {
			_, err := local.Adopt(o)
			must(rt, err)
		}
		l, err = local.Open(o)
		must(rt, err)
		defer l.Close()
		r, err = local.OpenReplica(local.Options{Dir: copied})
		must(rt, err)
		defer r.Close()
		now := revocationtest.Start + revocationtest.Span + rapid.Int64Range(0, revocationtest.Span).Draw(rt, "now")
		was.Expire(now)
		probes := rapid.SliceOfN(rapid.Custom(revocationtest.Credential), 8, 8).Draw(rt, "credentials")
		for name, from := range map[string]reader{"the ledger": l, "the replica": r} {
			var is revocation.Index
			must(rt, from.Read(context.Background(), revocation.Position{}, func(e revocation.Entry) error { is.Apply(e); return nil }))
			is.Expire(now)
			for _, c := range probes {
				if w, i := find(&was, c), find(&is, c); !reflect.DeepEqual(w, i) {
					rt.Fatalf("%+v\nwas found as %+v\n%s has     %+v", c, w, name, i)
				}
			}
		}
	})
}

type reader interface {
	Read(context.Context, revocation.Position, func(revocation.Entry) error) error
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func find(x *revocation.Index, c *revocation.Credential) (f revocation.Finding) {
	if x.Find(c, &f); len(f.StepUps) == 0 {
		f.StepUps = nil
	}
	return f
}
