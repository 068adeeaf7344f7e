package revocation_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

// Trimming and repairing state records again. That says nothing new.
func TestRestatingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := revocationtest.History(t)
		restated := revocationtest.Restated(t, history)
		again := revocationtest.Restated(t, restated) // a copy is copied in its turn
		all := rapid.Permutation(slices.Concat(history, restated, again)).Draw(t, "order")
		x, y := apply(history...), apply(all...)
		if x, y := x.Dump(), y.Dump(); x != y {
			t.Fatalf("as it was:\n%s\n\nrestated:\n%s", x, y)
		}
		end := instant(t)
		x.Expire(end)
		y.Expire(end)
		if x, y := x.Dump(), y.Dump(); x != y {
			t.Fatalf("as it was, expired:\n%s\n\nrestated, expired:\n%s", x, y)
		}
	})
}

// What was trimmed is known from its copies alone.
func TestCopiesStandForWhatWasTrimmed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := revocationtest.History(t)
		trimmed := rapid.IntRange(0, len(history)).Draw(t, "trimmed")
		left := slices.Clone(history[trimmed:])
		for i, e := range history[:trimmed] {
			records := slices.Clone(e.Records)
			for item := range records {
				records[item].Origin = revocation.Ref{Position: e.Position, Item: uint16(item)}
			}
			// One record to an entry and backwards: another shape than before.
			slices.Reverse(records)
			left = append(left, revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: uint64(100 + i)}, Records: records})
		}
		if x, y := apply(history...).Dump(), apply(left...).Dump(); x != y {
			t.Fatalf("as it was:\n%s\n\ntrimmed at %d:\n%s", x, trimmed, y)
		}
	})
}

// A ledger lost its tail and gave the same position to another record; the
// repair states both under that ref.
func TestTwoRecordsOfOneOriginBothHold(t *testing.T) {
	origin := revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 7}}
	alice, bob := revocation.Target{Issuer: "i", Subject: "alice"}, revocation.Target{Issuer: "i", Subject: "bob"}
	block := func(target revocation.Target) revocation.Record {
		return revocation.Record{Type: revocation.Block, Target: target, Origin: origin}
	}
	stepUp := func(target revocation.Target, acr string) revocation.Record {
		return revocation.Record{Type: revocation.StepUp, Target: target, Through: 9, ACR: []string{acr}, Origin: origin}
	}
	exempting := block(alice)
	exempting.ExemptClients = []string{"web"}
	for name, tt := range map[string]struct {
		records []revocation.Record
		blocked []bool // alice, bob
		stepUps []int
	}{
		"blocks of two":           {[]revocation.Record{block(alice), block(bob)}, []bool{true, true}, []int{0, 0}},
		"one block twice":         {[]revocation.Record{block(alice), block(alice)}, []bool{true, false}, []int{0, 0}},
		"block and step-up":       {[]revocation.Record{block(alice), stepUp(alice, "mfa")}, []bool{true, false}, []int{1, 0}},
		"step-ups of two":         {[]revocation.Record{stepUp(alice, "mfa"), stepUp(bob, "mfa")}, []bool{false, false}, []int{1, 1}},
		"two step-ups of one":     {[]revocation.Record{stepUp(alice, "mfa"), stepUp(alice, "phr")}, []bool{false, false}, []int{2, 0}},
		"one step-up twice":       {[]revocation.Record{stepUp(alice, "mfa"), stepUp(alice, "mfa")}, []bool{false, false}, []int{1, 0}},
		"with and without exempt": {[]revocation.Record{exempting, block(alice)}, []bool{true, false}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			backwards := slices.Clone(tt.records)
			slices.Reverse(backwards)
			x, y := apply(entry(20, tt.records...)), apply(entry(20, backwards...))
			if x, y := x.Dump(), y.Dump(); x != y {
				t.Errorf("in order:\n%s\n\nbackwards:\n%s", x, y)
			}
			lift := entry(21, revocation.Record{Type: revocation.Lift, Lifts: origin})
			for i, subject := range []string{"alice", "bob"} {
				c := sealed(revocation.Credential{Issuer: "i", Subject: subject, Client: "web"})
				f := find(x, c)
				if f.Blocked != tt.blocked[i] || len(f.StepUps) != tt.stepUps[i] {
					t.Errorf("%s: found %+v", subject, f)
				}
				if f.Blocked && f.Block != origin {
					t.Errorf("%s: blocked by %s, want %s", subject, f.Block, origin)
				}
			}
			x.Apply(lift)
			for _, subject := range []string{"alice", "bob"} {
				if f := find(x, sealed(revocation.Credential{Issuer: "i", Subject: subject})); !f.Clear() {
					t.Errorf("%s, lifted: found %+v", subject, f)
				}
			}
			if x.Holds() != 0 || x.InForce(origin) {
				t.Errorf("%d that were lifted are kept", x.Holds())
			}
			for _, k := range revocation.Kinds() {
				if n := x.Entries(k); n != 0 {
					t.Errorf("%d entries of %s after the lift", n, k)
				}
			}
		})
	}
}

// Every finding names a restated record by its origin.
func TestARestatedRecordIsKnownByItsOrigin(t *testing.T) {
	origin := revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 7}, Item: 2}
	user := revocation.Target{Issuer: "i", Subject: "a"}
	x := apply(entry(20,
		revocation.Record{Type: revocation.Cut, Mode: revocation.SignIn, Target: user, Through: 9, Origin: origin},
		revocation.Record{Type: revocation.Cut, Mode: revocation.Refresh, Target: user, Through: 9, Origin: origin},
		revocation.Record{Type: revocation.Cut, Mode: revocation.Final, Target: user, Through: 9, Origin: origin},
		revocation.Record{Type: revocation.Block, Target: user, Origin: origin},
		revocation.Record{Type: revocation.StepUp, Target: user, Through: 9, Origin: origin},
	))
	f := find(x, sealed(revocation.Credential{Issuer: "i", Subject: "a"}))
	for name, got := range map[string]revocation.Ref{
		"sign_in": f.SignIn.Ref, "refresh": f.Refresh.Ref, "final": f.Final, "block": f.Block, "step-up": f.StepUps[0].Ref,
	} {
		if got != origin {
			t.Errorf("%s: %s, want %s", name, got, origin)
		}
	}
	everyone := apply(entry(20, revocation.Record{Type: revocation.Genesis, Through: 9, Origin: origin}))
	if f := find(everyone, sealed(revocation.Credential{Issuer: "i", Subject: "a"})); f.SignIn != (revocation.Bound{Through: 9, Ref: origin}) {
		t.Errorf("genesis: %+v", f.SignIn)
	}
}
