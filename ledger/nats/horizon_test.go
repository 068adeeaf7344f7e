package nats_test

import (
	"slices"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

const hour = 3600

// longAgo returns expired cuts, one of each kind that leaves a horizon, and cuts of
// keys, which never expire. Each has an issuer of its own.
func longAgo() []revocation.Record {
	at := time.Now().Add(-100*24*time.Hour).Unix() * 1000
	cut := func(m revocation.Mode, target revocation.Target) revocation.Record {
		return revocation.Record{
			Type: revocation.Cut, Mode: m, Target: target, Keep: hour,
			At: at, Through: at/1000 + 2, Time: at + 500, Source: "admin",
		}
	}
	backdated := cut(revocation.Final, revocation.Target{Issuer: "https://backdated.example.com", TokenID: "n"})
	backdated.At, backdated.Through = backdated.At-20*hour*1000, backdated.Through-20*hour
	exempt := cut(revocation.SignIn, revocation.Target{Issuer: "https://exempt.example.com", Subject: "alice"})
	exempt.ExemptClients = []string{"robot"}
	return []revocation.Record{
		cut(revocation.SignIn, revocation.Target{Issuer: "https://user.example.com", Subject: "alice"}),
		cut(revocation.Refresh, revocation.Target{Issuer: "https://refresh.example.com", Subject: "alice"}),
		cut(revocation.Refresh, revocation.Target{Issuer: "https://session.example.com", Session: "s"}),
		cut(revocation.SignIn, revocation.Target{Issuer: "https://issuer.example.com"}),
		cut(revocation.Final, revocation.Target{Issuer: "https://token.example.com", TokenID: "n"}),
		backdated,
		exempt,
		cut(revocation.Refresh, revocation.Target{JKT: "p"}),
		cut(revocation.SignIn, revocation.Target{JKT: "q"}),
		cut(revocation.Refresh, revocation.Target{X5TS256: "x"}),
		cut(revocation.SignIn, revocation.Target{X5TS256: "y"}),
	}
}

// presented returns credentials at the edge, to the second, of the cuts of longAgo
// and their horizons: some refused and some admitted.
func presented(records []revocation.Record) (all []*revocation.Credential) {
	for _, r := range records {
		for _, issuer := range []string{r.Target.Issuer, "https://other.example.com"} {
			for _, sub := range []string{"alice", "bob"} {
				for _, instant := range []int64{r.Through, r.Through + 1, (r.Time + 2999) / 1000, (r.Time + 3999) / 1000} {
					for _, auth := range []int64{0, instant} {
						c := &revocation.Credential{
							Issuer: issuer, Subject: sub, Client: "robot", JKT: r.Target.JKT, X5TS256: r.Target.X5TS256,
							IssuedAt: instant, AuthTime: auth,
						}
						c.Seal()
						all = append(all, c)
					}
				}
			}
		}
	}
	return all
}

// index returns a node's index of the log.
func (e *edge) index(now time.Time) *revocation.Index {
	e.t.Helper()
	var x revocation.Index
	if err := e.Read(e.t.Context(), revocation.Position{}, func(e revocation.Entry) error { x.Apply(e); return nil }); err != nil {
		e.t.Fatal(err)
	}
	x.Expire(now.Unix())
	return &x
}

// refusesAlike checks that a new node's index refuses the same credentials as
// another node's.
func refusesAlike(t *testing.T, old, newcomer *revocation.Index, credentials []*revocation.Credential) {
	t.Helper()
	refused := 0
	for _, c := range credentials {
		var was, is revocation.Finding
		old.Find(c, &was)
		newcomer.Find(c, &is)
		if was.SignIn.Through != is.SignIn.Through || was.Refresh.Through != is.Refresh.Through || was.Finally != is.Finally {
			t.Errorf("%+v\nfound by a node that was there %+v\nby one that joins               %+v", c, was, is)
		}
		if !was.Clear() {
			refused++
		}
	}
	if refused == 0 || refused == len(credentials) {
		t.Errorf("%d of %d credentials are refused: the test compares nothing", refused, len(credentials))
	}
}

// A trim succeeds for any expired cuts. A node that joins later refuses the same
// credentials as the others.
func TestANodeThatJoinsAfterATrimKnowsTheHorizons(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	records := longAgo()
	for i := range records {
		if _, _, err := a.Append(t.Context(), records[i:i+1], ledger.Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 { // the horizons that one trim wrote are trimmed by the next
		for range 80 {
			if err := a.tick(); err != nil {
				t.Fatal(err)
			}
		}
		last := a.write("later")
		if through, err := a.Trim(0, 2); through == 0 || err != nil {
			t.Fatalf("round %d: trimmed through %d, %v", round, through, err)
		}
		fresh := join(t, fleetOptions(t, c, "fresh"))
		fresh.reaches(last)
		until(t, "the newcomer has everything", func() bool { return fresh.Head() == a.Head() })
		now := time.Now()
		refusesAlike(t, a.index(now), fresh.index(now), presented(records))
		fresh.leave()
	}
	reader := join(t, fleetOptions(t, c, "reader"))
	until(t, "a reader has everything", func() bool { return reader.Head() == a.Head() })
	horizons := 0
	err := reader.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
		for i := range e.Records {
			if e.Records[i].IsHorizon() {
				horizons++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 7; horizons != want { // one for each issuer
		t.Errorf("%d horizons are written again by each trim, want %d", horizons, want)
	}
}

// A repair keeps the horizons of expired records, also of older epochs.
func TestANodeThatJoinsAfterARepairKnowsTheHorizons(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	records := longAgo()
	a.write("lives")
	if _, _, err := a.Append(t.Context(), records, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	for epoch := uint64(2); epoch < 4; epoch++ {
		a.leave()
		if err := raw(t, c).DeleteStream(t.Context(), "CURFEW"); err != nil {
			t.Fatal(err)
		}
		mark(t, a, nats.MarkerAdopt)
		a = join(t, a.options)
		a.reaches(revocation.Position{Epoch: epoch, Sequence: 2})
		until(t, "it has written everything", func() bool { return a.Restates() == 0 && a.Connection().Problem == nil })
		fresh := join(t, fleetOptions(t, c, "fresh"))
		until(t, "the newcomer has everything", func() bool { return slices.Contains(fresh.reasons(), "lives") && fresh.Head() == a.Head() })
		now := time.Now()
		refusesAlike(t, a.index(now), fresh.index(now), presented(records))
		fresh.leave()
	}
}

// A lift ends blocks and step-ups. One that names a cut changes nothing, also
// when its log is trimmed.
func TestATrimKeepsACutThatALiftNames(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	p := a.write("cut")
	lift := revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: p}, Source: "admin", Reason: "lift", Time: 1}
	if _, _, err := a.Append(t.Context(), []revocation.Record{lift}, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := a.tick(); err != nil {
			t.Fatal(err)
		}
	}
	a.write("later")
	if through, err := a.Trim(0, 1); through == 0 || err != nil {
		t.Fatalf("trimmed through %d, %v", through, err)
	}
	fresh := join(t, fleetOptions(t, c, "fresh"))
	until(t, "the newcomer has everything", func() bool { return fresh.Head() == a.Head() })
	until(t, "the follower was told", func() bool { return slices.Contains(fresh.reasons(), "later") })
	if !slices.Contains(fresh.reasons(), "cut") {
		t.Error("a cut was lost in a trim")
	}
}

// Ticks carry the nodes' horizons and their own places in the log. A node that
// entered after a trim knows that until another epoch begins, after restarts too.
func TestTicksSayHowMuchOfTheLogWasRead(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	a.write("one")
	for range 3 {
		if err := a.tick(); err != nil {
			t.Fatal(err)
		}
	}
	a.write("two")
	if through, err := a.Trim(0, 1); through == 0 || err != nil {
		t.Fatalf("trimmed through %d, %v", through, err)
	}
	said := ledger.Horizons{Epoch: 1, Tick: 3, Digest: ledger.Digest{1, 2}, Entered: 2}
	newest := func(e *edge) (entered uint64) {
		t.Helper()
		e.listens()
		if err := a.Tick(t.Context(), nil, &said); err != nil {
			t.Fatal(err)
		}
		until(t, "a tick comes that says it", func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			for _, tick := range e.ticks {
				if h := tick.Horizons; h != nil && *h == said && tick.Sequence > 0 && !tick.Stamp.IsZero() {
					entered = tick.Entered
					return true
				}
			}
			return false
		})
		return entered
	}
	fresh := join(t, fleetOptions(t, c, "fresh"))
	entered := newest(fresh)
	if was := newest(a); was != 0 || entered == 0 {
		t.Errorf("a newcomer entered at %d, who was there at %d", entered, was)
	}
	fresh = again(t, fresh)
	if got := newest(fresh); got != entered {
		t.Errorf("after a restart it entered at %d, before at %d", got, entered)
	}
	a.leave()
	mark(t, a, nats.MarkerAdopt)
	a = join(t, a.options)
	fresh.reaches(revocation.Position{Epoch: 2, Sequence: 1})
	a.reaches(revocation.Position{Epoch: 2, Sequence: 1})
	said.Epoch = 2
	if got := newest(fresh); got != 0 {
		t.Errorf("in a new epoch it entered at %d", got)
	}
}
