package revocation_test

import (
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

func apply(entries ...revocation.Entry) *revocation.Index {
	var x revocation.Index
	for _, e := range entries {
		x.Apply(e)
	}
	return &x
}

// entry is one record at sequence n of epoch 1.
func entry(n uint64, records ...revocation.Record) revocation.Entry {
	return revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: n}, Records: records}
}

func sealed(c revocation.Credential) *revocation.Credential {
	c.Seal()
	return &c
}

func find(x *revocation.Index, c *revocation.Credential) revocation.Finding {
	var f revocation.Finding
	x.Find(c, &f)
	return f
}

// modelFind is what Find has to say, from the records that match.
func modelFind(matching []revocationtest.Located) (f revocation.Finding) {
	later := func(b *revocation.Bound, through int64, ref revocation.Ref) {
		if through > b.Through {
			*b = revocation.Bound{Through: through, Ref: ref}
		}
	}
	for _, r := range matching {
		kind, _ := r.Target.Kind()
		switch {
		case r.Type == revocation.Block:
			if !f.Blocked {
				f.Blocked, f.Block = true, r.Ref
			}
		case r.Type == revocation.StepUp:
			f.StepUps = append(f.StepUps, &revocation.Demand{Ref: r.Ref, Through: r.Through, ACR: r.ACR, AMR: r.AMR, Sensitive: r.Sensitive})
		case r.Mode == revocation.Final:
			f.Finally = true
		case r.Mode == revocation.Refresh:
			later(&f.Refresh, r.Through, r.Ref)
		default:
			later(&f.SignIn, r.Through, r.Ref)
			switch kind {
			case revocation.KindSession:
				later(&f.Session, r.Through, r.Ref)
			case revocation.KindDevice, revocation.KindSubjectDevice, revocation.KindSubjectDeviceClient:
				later(&f.Device, r.Through, r.Ref)
			}
		}
	}
	return f
}

func TestFindIsWhatAModelFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x revocation.Index
		var m revocationtest.Model
		for _, e := range revocationtest.History(t) {
			x.Apply(e)
			m.Apply(e)
			c := revocationtest.Credential(t)
			matching := m.Matching(c)
			got, want := find(&x, c), modelFind(matching)
			if got.Finally && !slices.ContainsFunc(matching, func(r revocationtest.Located) bool {
				return r.Ref == got.Final && r.Mode == revocation.Final
			}) {
				t.Fatalf("final record %s does not match the credential", got.Final)
			}
			got.Final = revocation.Ref{}
			slices.SortFunc(got.StepUps, func(a, b *revocation.Demand) int { return a.Ref.Compare(b.Ref) })
			if len(got.StepUps) == 0 {
				got.StepUps = nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("found %+v\n want %+v", got, want)
			}
			if got.Clear() != (len(matching) == 0) {
				t.Fatalf("clear is %v of %d records", got.Clear(), len(matching))
			}
		}
	})
}

// shuffled draws the same records in another order, split into other entries,
// some of them twice, with expiry in between, and folds them.
func shuffled(t *rapid.T, history []revocation.Entry) *revocation.Index {
	var parts []revocation.Entry
	for _, e := range history {
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			parts = append(parts, e)
		}
	}
	var x revocation.Index
	for _, e := range rapid.Permutation(parts).Draw(t, "order") {
		if rapid.Bool().Draw(t, "cut short") {
			x.Apply(revocation.Entry{Position: e.Position, Records: e.Records[:1]})
		}
		x.Apply(e)
		if rapid.Bool().Draw(t, "expire") {
			x.Expire(instant(t))
		}
	}
	return &x
}

func instant(t *rapid.T) int64 {
	return revocationtest.Start + rapid.Int64Range(0, 2*revocationtest.Span).Draw(t, "now")
}

func TestAnyPermutationGivesTheSameIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := revocationtest.History(t)
		x, y := apply(history...), shuffled(t, history)
		// Every instant at which y may have expired something is before this.
		end := instant(t) + 2*revocationtest.Span
		x.Expire(end)
		y.Expire(end)
		if x, y := x.Dump(), y.Dump(); x != y {
			t.Fatalf("in order:\n%s\n\nshuffled:\n%s", x, y)
		}
		for _, issuer := range []string{"i", "j"} {
			if x, y := x.FindOrder(issuer), y.FindOrder(issuer); !slices.Equal(x, y) {
				t.Fatalf("visits %v\nafter another order %v", x, y)
			}
		}
	})
}

// A million permutations, each with one entry twice.
func TestAMillionPermutations(t *testing.T) {
	histories, each := 100, 10
	if os.Getenv("CURFEW_LONG") != "" {
		histories, each = 1000, 1000
	}
	drawn := rapid.Custom(revocationtest.History)
	for seed := range histories {
		history := drawn.Example(seed)
		if len(history) == 0 {
			continue
		}
		want := apply(history...).Dump()
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		order := append(slices.Clone(history), history[random.IntN(len(history))])
		for range each {
			random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			if got := apply(order...).Dump(); got != want {
				t.Fatalf("history %d in the order %v:\n%s\nwant\n%s", seed, order, got, want)
			}
		}
	}
}

// Whatever is added, in whatever order, and whatever expires: what was refused
// for a credential stays refused, unless a lift was added.
func TestNothingIsAdmittedByMoreRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x revocation.Index
		c := revocationtest.Credential(t)
		before := find(&x, c)
		for _, e := range revocationtest.History(t) {
			e.Records = slices.DeleteFunc(e.Records, func(r revocation.Record) bool { return r.Type == revocation.Lift })
			x.Apply(e)
			after := find(&x, c)
			if before.Blocked && !after.Blocked || before.Finally && !after.Finally ||
				before.SignIn.Through > after.SignIn.Through || before.Refresh.Through > after.Refresh.Through ||
				before.Session.Through > after.Session.Through || before.Device.Through > after.Device.Through ||
				len(before.StepUps) > len(after.StepUps) {
				t.Fatalf("%+v became weaker: %+v", before, after)
			}
			before = after
		}
	})
}

func TestLiftsAbsorb(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	block := entry(1, revocation.Record{Type: revocation.Block, Target: user})
	stepUp := entry(2, revocation.Record{Type: revocation.StepUp, Target: user, Through: 9})
	cut := entry(3, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: 9})
	lift := func(n, lifts uint64) revocation.Entry {
		return entry(n, revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: lifts}}})
	}
	for name, tt := range map[string]struct {
		history []revocation.Entry
		blocked bool
		stepUps int
		signIn  int64
	}{
		"block":                         {[]revocation.Entry{block}, true, 0, 0},
		"lifted":                        {[]revocation.Entry{block, lift(9, 1)}, false, 0, 0},
		"lifted before it arrives":      {[]revocation.Entry{lift(9, 1), block}, false, 0, 0},
		"lifted stays lifted":           {[]revocation.Entry{block, lift(9, 1), block, block}, false, 0, 0},
		"lifted twice":                  {[]revocation.Entry{block, lift(9, 1), lift(10, 1)}, false, 0, 0},
		"another block holds":           {[]revocation.Entry{block, entry(5, block.Records...), lift(9, 1)}, true, 0, 0},
		"block again":                   {[]revocation.Entry{block, lift(9, 1), entry(10, block.Records...)}, true, 0, 0},
		"step-up":                       {[]revocation.Entry{stepUp}, false, 1, 0},
		"step-up lifted":                {[]revocation.Entry{stepUp, lift(9, 2)}, false, 0, 0},
		"step-up lifted before":         {[]revocation.Entry{lift(9, 2), stepUp}, false, 0, 0},
		"another step-up holds":         {[]revocation.Entry{stepUp, entry(5, stepUp.Records...), lift(9, 2)}, false, 1, 0},
		"a lift of another id":          {[]revocation.Entry{block, stepUp, lift(9, 7)}, true, 1, 0},
		"a cut can't be lifted":         {[]revocation.Entry{cut, lift(9, 3)}, false, 0, 9},
		"nor by a lift that came first": {[]revocation.Entry{lift(9, 3), cut}, false, 0, 9},
	} {
		t.Run(name, func(t *testing.T) {
			x := apply(tt.history...)
			f := find(x, sealed(revocation.Credential{Issuer: "i", Subject: "a"}))
			if f.Blocked != tt.blocked || len(f.StepUps) != tt.stepUps || f.SignIn.Through != tt.signIn {
				t.Errorf("found %+v", f)
			}
		})
	}
}

func TestInForce(t *testing.T) {
	ref := revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}
	block := entry(1, revocation.Record{Type: revocation.Block, Target: revocation.Target{Issuer: "i"}})
	lift := entry(2, revocation.Record{Type: revocation.Lift, Lifts: ref})
	for name, tt := range map[string]struct {
		history []revocation.Entry
		want    bool
	}{
		"unknown": {nil, false}, "held": {[]revocation.Entry{block}, true}, "lifted": {[]revocation.Entry{block, lift}, false},
		"lifted before": {[]revocation.Entry{lift, block}, false}, "only lifted": {[]revocation.Entry{lift}, false},
	} {
		if got := apply(tt.history...).InForce(ref); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTwoModesOfOneTargetAreKeptApart(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	x := apply(
		entry(1, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: 100}),
		entry(2, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.Refresh, Through: 200}),
	)
	f := find(x, sealed(revocation.Credential{Issuer: "i", Subject: "a"}))
	if f.SignIn.Through != 100 || f.Refresh.Through != 200 {
		t.Errorf("found %+v", f)
	}
}

func TestEpochsMerge(t *testing.T) {
	genesis := func(epoch uint64, through int64) revocation.Entry {
		return revocation.Entry{
			Position: revocation.Position{Epoch: epoch, Sequence: 1},
			Records:  []revocation.Record{{Type: revocation.Genesis, Through: through}},
		}
	}
	block := revocation.Record{Type: revocation.Block, Target: revocation.Target{Issuer: "i", Subject: "a"}}
	x := apply(genesis(2, 0), genesis(1, 50), genesis(3, 20),
		revocation.Entry{Position: revocation.Position{Epoch: 2, Sequence: 2}, Records: []revocation.Record{block}},
		revocation.Entry{Position: revocation.Position{Epoch: 3, Sequence: 2}, Records: []revocation.Record{{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 2}}}}},
	)
	f := find(x, sealed(revocation.Credential{Issuer: "whoever", Subject: "a"}))
	if want := (revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}); f.SignIn.Through != 50 || f.SignIn.Ref != want {
		t.Errorf("everybody is signed out through %+v", f.SignIn)
	}
	if f = find(x, sealed(revocation.Credential{Issuer: "i", Subject: "a"})); !f.Blocked {
		t.Error("the lift of another epoch's record lifted this one")
	}
}

func TestExemptClientsAreThoseOfTheRecord(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	cut := func(n uint64, through int64, exempt ...string) revocation.Entry {
		return entry(n, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: through, ExemptClients: exempt})
	}
	// The list shrinks, grows and is overridden from record to record.
	x := apply(cut(1, 10, "console", "tv"), cut(2, 20, "console"), cut(3, 5), cut(4, 30, "console", "tv", "web"))
	for client, through := range map[string]int64{"console": 5, "tv": 20, "web": 20, "": 30, "phone": 30} {
		f := find(x, sealed(revocation.Credential{Issuer: "i", Subject: "a", Client: client}))
		if f.SignIn.Through != through {
			t.Errorf("%q is refused through %d, want %d", client, f.SignIn.Through, through)
		}
	}
}

func TestManyStepUpsOfOneTarget(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	var x revocation.Index
	const n = 2000
	for i := uint64(1); i <= n; i++ {
		x.Apply(entry(i, revocation.Record{Type: revocation.StepUp, Target: user, Through: int64(i)}))
	}
	f := find(&x, sealed(revocation.Credential{Issuer: "i", Subject: "a"}))
	if len(f.StepUps) != n || x.Entries(revocation.KindSubject) != n {
		t.Errorf("%d step-ups, %d counted", len(f.StepUps), x.Entries(revocation.KindSubject))
	}
	for i := range n - 1 {
		if f.StepUps[i].Ref.Compare(f.StepUps[i+1].Ref) >= 0 {
			t.Fatal("not in the order of the ledger")
		}
	}
}

func TestAnUnsealedCredentialIsRefused(t *testing.T) {
	var x revocation.Index
	if f := find(&x, &revocation.Credential{Issuer: "i", Subject: "a"}); f.Clear() {
		t.Error("it was admitted")
	}
}

func TestGenerationChangesWithTheIndex(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	var x revocation.Index
	changed := func(what string, want bool, do func()) {
		t.Helper()
		before := x.Generation()
		if do(); (x.Generation() != before) != want {
			t.Errorf("%s: generation %d -> %d", what, before, x.Generation())
		}
	}
	changed("expire of nothing", false, func() { x.Expire(1000) })
	changed("cut", true, func() {
		x.Apply(entry(1, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: 100, Keep: 10}))
	})
	changed("expire too early", true, func() { x.Expire(110) }) // the horizon rises to 99
	changed("expire again", false, func() { x.Expire(110) })
	changed("expire", true, func() { x.Expire(111) })
	changed("nothing left", false, func() { x.Expire(1000) })
	changed("block", true, func() { x.Apply(entry(2, revocation.Record{Type: revocation.Block, Target: user})) })
	changed("lift", true, func() {
		x.Apply(entry(3, revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 2}}}))
	})
}

// Blocks come and go for years: of what was lifted only its name is kept.
func TestALiftedHoldTakesNoRoom(t *testing.T) {
	var x revocation.Index
	for n := uint64(1); n <= 200; n += 2 {
		held := revocation.Record{Type: revocation.StepUp, Target: revocation.Target{Issuer: "i", Subject: "a"}, Through: 1, ACR: []string{"mfa"}}
		lift := revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: n}}}
		x.Apply(entry(n, held))
		x.Apply(entry(n+1, lift))
		x.Apply(entry(n, held)) // late again
	}
	if n := x.Holds(); n != 0 {
		t.Errorf("%d that were lifted are kept", n)
	}
}
