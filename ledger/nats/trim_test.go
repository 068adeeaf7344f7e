package nats_test

import (
	"slices"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// A trim removes only expired and lifted records. A node that joins later or comes
// back has every live record under its first ref.
func TestTrim(t *testing.T) {
	c := natstest.Run(t, 1)
	a, away := join(t, fleetOptions(t, c, "a")), join(t, fleetOptions(t, c, "away"))
	append1 := func(r revocation.Record) revocation.Ref {
		t.Helper()
		p, _, err := a.Append(t.Context(), []revocation.Record{r}, ledger.Idempotency{})
		if err != nil {
			t.Fatal(err)
		}
		return revocation.Ref{Position: p}
	}
	lives := append1(cut("alice", "lives"))
	away.reaches(lives.Position)
	away.leave()
	blocked := append1(block("alice", "holds"))
	lifted := append1(block("bob", "lifted"))
	append1(revocation.Record{Type: revocation.Lift, Lifts: lifted, Source: "admin", Reason: "lift", Time: 1})
	expired := cut("carol", "expired")
	expired.Keep = 60
	append1(expired)
	for range 3 {
		if err := a.tick(); err != nil {
			t.Fatal(err)
		}
	}
	append1(cut("dave", "later"))
	through, err := a.Trim(0, 2)
	if err != nil || through < 6 {
		t.Fatalf("trimmed through %d, %v", through, err)
	}
	if again, err := a.Trim(0, 100); again != 0 || err != nil {
		t.Fatalf("trimmed again through %d, %v", again, err)
	}
	js := raw(t, c)
	s, err := js.Stream(t.Context(), "CURFEW")
	if err != nil {
		t.Fatal(err)
	}
	if first := s.CachedInfo().State.FirstSeq; first != through+1 {
		t.Errorf("the stream begins at %d, trimmed through %d", first, through)
	}
	if err := a.tick(); err != nil {
		t.Fatal(err)
	}
	last := append1(cut("erin", "last"))

	fresh := join(t, fleetOptions(t, c, "fresh"))
	fresh.reaches(last.Position)
	if fresh.Head() != a.Head() {
		t.Errorf("heads differ: %v, %v", fresh.Head(), a.Head())
	}
	until(t, "the newcomer has it", func() bool { return slices.Contains(fresh.reasons(), "last") })
	got := fresh.reasons()
	for reason, want := range map[string]bool{"lives": true, "holds": true, "lift": true, "later": true, "lifted": false, "expired": false, "cuts up to here have expired": true} {
		if slices.Contains(got, reason) != want {
			t.Errorf("%q: want it known: %t, in %q", reason, want, got)
		}
	}
	for _, ref := range []revocation.Ref{lives, blocked} {
		if _, err := fresh.Get(t.Context(), ref); err != nil {
			t.Errorf("%s by its first name: %v", ref, err)
		}
	}
	var index revocation.Index
	if err := fresh.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error { index.Apply(e); return nil }); err != nil {
		t.Fatal(err)
	}
	if !index.InForce(blocked) || index.InForce(lifted) {
		t.Error("a block was lost, or one that was lifted is back")
	}
	if err := fresh.tick(); err != nil {
		t.Fatal(err)
	}

	// A node that was away finds a gap, and a trim that explains it.
	away = join(t, away.options)
	away.breaks("trimmed")
	away.leave()
	away = join(t, away.options)
	away.reaches(last.Position)
	if away.Head() != a.Head() || a.Err() != nil || fresh.Err() != nil {
		t.Errorf("%v, %v, %v, %v", away.Head(), a.Head(), a.Err(), fresh.Err())
	}
}
