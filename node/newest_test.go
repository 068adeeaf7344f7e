package node_test

import (
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

const otherIssuer = "https://login.example.org"

var skews = map[string]time.Duration{issuer: 2 * time.Second, otherIssuer: 2 * time.Second}

// verified is a credential with these instants.
func verified(iss string, iat, authTime time.Time) *revocation.Credential {
	c := &revocation.Credential{Issuer: iss, Subject: "alice", IssuedAt: iat.Unix()}
	if !authTime.IsZero() {
		c.AuthTime = authTime.Unix()
	}
	c.Seal()
	return c
}

// kept is a store in memory, and an observer of doubts.
type kept struct {
	listening
	mu      sync.Mutex
	newest  map[string]int64
	refuses bool
	saves   int
	doubts  map[node.ClockDoubt]time.Duration
}

func (k *kept) Load() map[string]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.newest)
}

func (k *kept) Save(newest map[string]int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.saves++; !k.refuses {
		k.newest = newest
	}
	return !k.refuses
}

func (k *kept) Doubted(d node.ClockDoubt, by time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.doubts == nil {
		k.doubts = make(map[node.ClockDoubt]time.Duration)
	}
	if k.doubts[d] = by; by == 0 {
		delete(k.doubts, d)
	}
}

func (k *kept) doubtsNow() map[node.ClockDoubt]time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.doubts)
}

// The instant of a cut is the larger of the clock, the newest that was verified
// of its issuer, and the newest in the ledger within an hour of the clock.
func TestTheInstantOfACut(t *testing.T) {
	now := began
	clock := func() time.Time { return now }
	cutAt := func(at time.Time) revocation.Record {
		return revocation.Record{
			Type: revocation.Cut, Target: revocation.Target{Issuer: issuer, Subject: "carol"}, Mode: revocation.SignIn,
			At: at.UnixMilli(), Through: at.Unix(), Keep: 3600, Source: "admin", Time: now.UnixMilli(),
		}
	}
	for name, c := range map[string]struct {
		verified []*revocation.Credential
		recorded []revocation.Record
		issuer   string
		want     time.Duration // beyond the clock
		doubts   map[node.ClockDoubt]time.Duration
	}{
		"nothing is known":           {issuer: issuer},
		"older tokens":               {verified: []*revocation.Credential{verified(issuer, now.Add(-time.Minute), now.Add(-time.Hour))}, issuer: issuer},
		"a provider within the skew": {verified: []*revocation.Credential{verified(issuer, now.Add(2*time.Second), time.Time{})}, issuer: issuer, want: 2 * time.Second},
		"a newer iat": {
			verified: []*revocation.Credential{verified(issuer, now.Add(10*time.Minute), now)}, issuer: issuer, want: 10 * time.Minute,
			doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: 10 * time.Minute},
		},
		"a newer auth_time": {
			verified: []*revocation.Credential{verified(issuer, now.Add(-time.Minute), now.Add(10*time.Minute))}, issuer: issuer, want: 10 * time.Minute,
			doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: 10 * time.Minute},
		},
		"far newer tokens": {
			verified: []*revocation.Credential{verified(issuer, now.Add(1000*time.Hour), now)}, issuer: issuer, want: 1000 * time.Hour,
			doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: 1000 * time.Hour},
		},
		"tokens of another issuer": {
			verified: []*revocation.Credential{verified(otherIssuer, now.Add(10*time.Minute), now)}, issuer: issuer,
			doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: 10 * time.Minute},
		},
		"a key may be used with any issuer": {
			verified: []*revocation.Credential{verified(otherIssuer, now.Add(10*time.Minute), now), verified(issuer, now.Add(time.Minute), now)}, want: 10 * time.Minute,
			doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: 10 * time.Minute},
		},
		"a newer record": {
			recorded: []revocation.Record{cutAt(now.Add(time.Hour))}, issuer: issuer, want: time.Hour,
			doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: time.Hour},
		},
		"a record that was accepted later": {
			recorded: []revocation.Record{{Type: revocation.Block, Target: revocation.Target{Issuer: issuer, Subject: "bob"}, Time: now.Add(time.Minute).UnixMilli()}},
			issuer:   issuer, want: time.Minute, doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: time.Minute},
		},
		"a record of a clock that was far ahead": {
			recorded: []revocation.Record{cutAt(now.Add(time.Hour + time.Millisecond))}, issuer: issuer,
			doubts: map[node.ClockDoubt]time.Duration{node.LedgerAhead: time.Hour + time.Millisecond},
		},
		"both": {
			verified: []*revocation.Credential{verified(issuer, now.Add(10*time.Minute), now)}, recorded: []revocation.Record{cutAt(now.Add(time.Minute))},
			issuer: issuer, want: 10 * time.Minute, doubts: map[node.ClockDoubt]time.Duration{node.ClockBehind: 10 * time.Minute},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := new(kept)
			n := node.New(node.Config{Now: clock, Observer: k, Open: atBegan(t.TempDir())})
			n.Configure(node.Settings{Skews: skews})
			if err := n.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = n.Close() })
			await(t, n, node.Ready)
			for _, v := range c.verified {
				n.Verified(v)
			}
			if len(c.recorded) > 0 {
				if _, err := n.Submit(t.Context(), c.recorded, ledger.Idempotency{}); err != nil {
					t.Fatal(err)
				}
			}
			if got := n.Instant(c.issuer, now).Sub(now); got != c.want {
				t.Errorf("%s beyond the clock, want %s", got, c.want)
			}
			if d := k.doubtsNow(); !maps.Equal(d, c.doubts) {
				t.Errorf("doubts %v, want %v", d, c.doubts)
			}
			if want := c.doubts[node.ClockBehind]; n.ClockBehind(now) != want {
				t.Errorf("behind by %s, want %s", n.ClockBehind(now), want)
			}
			later := now.Add(2000 * time.Hour)
			if got := n.Instant(c.issuer, later); !got.Equal(later) || len(k.doubtsNow()) > 0 {
				t.Errorf("once the clock is right: %s, doubts %v", got.Sub(later), k.doubtsNow())
			}
		})
	}
}

// atBegan opens a ledger whose clock stands where the tests begin.
func atBegan(dir string) func() (ledger.Ledger, error) {
	return func() (ledger.Ledger, error) {
		return local.Open(local.Options{Dir: dir, OnEmpty: local.Start, Now: func() time.Time { return began }})
	}
}

// The instants that a node has verified survive a restart, and a kill except for
// the last second. A store that fails is asked again.
func TestWhatWasVerifiedSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, k := newSharedLog(), new(kept)
		b := s.start(t, "a", node.Settings{Skews: skews}, func(b *testNode) { b.keeps = k })
		time.Sleep(soon)
		at := time.Now().Truncate(time.Second)
		b.Verified(verified(issuer, at, time.Time{}))
		k.mu.Lock()
		k.refuses = true
		k.mu.Unlock()
		time.Sleep(time.Second)
		k.mu.Lock()
		if k.saves == 0 || len(k.newest) > 0 {
			t.Errorf("saved %d times: %v", k.saves, k.newest)
		}
		k.refuses, k.saves = false, 0
		k.mu.Unlock()
		time.Sleep(time.Second)
		if got := k.Load()[issuer]; got != at.Unix() {
			t.Errorf("after a second %d is saved, want %d", got, at.Unix())
		}
		time.Sleep(time.Minute)
		if k.saves != 1 {
			t.Errorf("what has not changed was saved %d times", k.saves)
		}
		b.Verified(verified(otherIssuer, at, time.Time{}))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b.start(t)
		time.Sleep(soon)
		back := at.Add(-10 * time.Minute)
		for _, iss := range []string{issuer, otherIssuer} {
			if got := b.Instant(iss, back); !got.Equal(at) {
				t.Errorf("%s: after a restart a cut is dated %s, want %s", iss, got, at)
			}
		}
	})
}

// Nodes tell one another what they verified: what one of them has verified, any
// other's cut hits two seconds later, also when the one is gone.
func TestACutHitsWhatAnotherNodeVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedLog()
		settings := node.Settings{Skews: skews}
		back := func() time.Time { return time.Now().Add(-10 * time.Minute) }
		a, c := s.start(t, "a", settings), s.start(t, "c", settings, func(b *testNode) { b.now = back })
		time.Sleep(soon)
		at := time.Now().Truncate(time.Second)
		a.Verified(verified(issuer, at, at.Add(-time.Hour)))
		time.Sleep(2 * time.Second)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if got := c.Instant(issuer, back()); !got.Equal(at) {
			t.Errorf("a cut is dated %s, want %s", got, at)
		}
		if by := c.ClockBehind(back()); by < 9*time.Minute {
			t.Errorf("the clock is behind by %s", by)
		}
		d := s.start(t, "d", settings, func(b *testNode) { b.now = back })
		time.Sleep(2 * time.Second)
		if got := d.Instant(issuer, back()); !got.Equal(at) {
			t.Errorf("by a node that came later it is dated %s, want %s", got, at)
		}
	})
}

// A node that is broken into can say that it verified anything. What is far from
// this node's clock, and from the log's, is not believed; nor is a word taken of
// issuers that are not configured.
func TestAnIncredibleClaimMovesNoCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, k := newSharedLog(), new(kept)
		settings := node.Settings{Skews: map[string]time.Duration{issuer: 2 * time.Second}}
		behind := 3 * time.Hour // further than an hour, but the log's stamps know better
		now := func() time.Time { return time.Now().Add(-behind) }
		a := s.start(t, "a", settings, func(b *testNode) { b.keeps, b.now = k, now })
		evil := s.start(t, "evil", settings)
		time.Sleep(soon)
		claim := func(at time.Time, iss string) {
			t.Helper()
			evil.Verified(verified(iss, at, time.Time{}))
			time.Sleep(2 * time.Second)
		}
		claim(time.Now(), otherIssuer)
		if got := a.Instant("", now()); !got.Equal(now()) {
			t.Errorf("an issuer that nobody configured moves a cut to %s", got)
		}
		right := time.Now().Truncate(time.Second)
		claim(right, issuer)
		if got := a.Instant(issuer, now()); !got.Equal(right) {
			t.Errorf("what is true by the log's clock is not believed: %s, want %s", got, right)
		}
		claim(time.Now().Add(2*time.Hour), issuer)
		if got := a.Instant(issuer, now()); !got.Equal(right) {
			t.Errorf("an incredible claim moves a cut to %s", got)
		}
		if by := k.doubtsNow()[node.ClaimAhead]; by < time.Hour {
			t.Errorf("nobody says so: %v", k.doubtsNow())
		}
	})
}
