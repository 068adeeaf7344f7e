package local_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

func TestWhatIsKeptOfVerifiedTokens(t *testing.T) {
	dir, witness := t.TempDir(), filepath.Join(t.TempDir(), "witness")
	n := local.NewestOf(dir, witness)
	if got, err := n.Load(); err != nil || len(got) > 0 {
		t.Fatalf("where nothing is: %v, %v", got, err)
	}
	want := map[string]int64{"https://a": 1_760_000_000, "https://b": 1_750_000_000}
	if err := n.Save(map[string]int64{"https://a": 1}); err != nil {
		t.Fatal(err)
	}
	if err := n.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Load(); err != nil || !maps.Equal(got, want) {
		t.Fatalf("%v, %v", got, err)
	}
	path := filepath.Join(dir, "newest")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "torn": good[:len(good)-3], "a digit": append(slices.Clone(good[:len(good)-4]), '9', good[len(good)-3], good[len(good)-2], good[len(good)-1]),
		"no hash": good[65:],
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := n.Load(); err == nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want what the copy has, and an error", name, got, err)
		}
		if got, err := local.NewestOf(dir, "").Load(); err == nil || len(got) > 0 {
			t.Errorf("%s, without a copy: %v, %v", name, got, err)
		}
	}
}

// A ledger that replaces a lost one, or was adopted, signs out every token that was
// verified here before, even if the clock is behind.
func TestAGenesisSignsOutWhatWasVerified(t *testing.T) {
	verified := time.Unix(1_760_000_000, 0)
	behind := func() time.Time { return verified.Add(-10 * time.Minute) }
	begins := func(t *testing.T, o local.Options) revocation.Record {
		t.Helper()
		l, err := local.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		r, err := l.Get(t.Context(), revocation.Ref{Position: revocation.Position{Epoch: l.Head().Position.Epoch, Sequence: 1}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	options := func(t *testing.T) local.Options {
		return local.Options{Dir: t.TempDir(), Witness: filepath.Join(t.TempDir(), "witness"), Skew: 2 * time.Second, Now: behind}
	}
	save := func(t *testing.T, o local.Options) {
		t.Helper()
		if err := local.NewestOf(o.Dir, o.Witness).Save(map[string]int64{"https://a": 1_700_000_000, "https://b": verified.Unix()}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T, r revocation.Record, at time.Time) {
		t.Helper()
		if r.Through != at.Unix()+2 || r.At != at.UnixMilli() || r.Time != behind().UnixMilli() {
			t.Errorf("through %d, at %d, accepted %d; want it to sign out until %s", r.Through, r.At, r.Time, at)
		}
	}
	t.Run("a first start", func(t *testing.T) { check(t, begins(t, options(t)), behind()) })
	t.Run("a lost volume", func(t *testing.T) {
		o := options(t)
		save(t, o)
		if err := os.Remove(filepath.Join(o.Dir, "newest")); err != nil {
			t.Fatal(err)
		}
		check(t, begins(t, o), verified)
	})
	for name, c := range map[string]struct{ recorded, want time.Time }{
		"adopted":                         {time.Unix(1_700_000_000, 0), verified},
		"adopted, with a newer record":    {verified.Add(time.Minute), verified.Add(time.Minute)},
		"adopted, with one that can't be": {verified.Add(time.Hour), verified},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			l, err := local.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			r := record("x")
			r.At = c.recorded.UnixMilli()
			if _, _, err := l.Append(t.Context(), []revocation.Record{r}, ledger.Idempotency{}); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			save(t, o)
			if _, err := local.Adopt(o); err != nil {
				t.Fatal(err)
			}
			check(t, begins(t, o), c.want)
		})
	}
}

// Doctor reports that the file is damaged. The ledger still opens.
func TestADamagedFileOfVerifiedTokensStopsNothing(t *testing.T) {
	o := local.Options{Dir: t.TempDir(), OnEmpty: local.SignOutAll}
	if err := os.WriteFile(filepath.Join(o.Dir, "newest"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := local.Inspect(o.Dir, "")
	if len(r.Problems) != 1 || r.Problems[0].Code != local.ProblemNewest || r.Problems[0].Mend == "" {
		t.Errorf("%+v", r.Problems)
	}
}
