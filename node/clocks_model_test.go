package node_test

import (
	"context"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// clocks is a fleet whose clocks jump, beside what it verified and cut. The
// clock of the provider is right, and so is that of the log.
type clocks struct {
	shared *sharedLog
	fleet  []*clocked
	seen   []*sighted
	widest time.Duration // how far ahead any clock ever was
}

type clocked struct {
	*testNode
	off *atomic.Int64
}

// sighted is a credential that a node has verified.
type sighted struct {
	revocation.Credential
	at   time.Time
	by   *clocked
	lost bool // with the node, which was killed before it could tell
}

const modelSkew = 2 * time.Second

func (c *clocks) join(t *rapid.T) {
	if len(c.fleet) == 5 {
		t.Skip("enough nodes")
	}
	b := &clocked{off: new(atomic.Int64)}
	b.testNode = &testNode{
		shared: c.shared, name: string(rune('a' + len(c.fleet))), keeps: new(kept),
		settings: node.Settings{Skews: map[string]time.Duration{issuer: modelSkew}},
		now:      func() time.Time { return time.Now().Add(time.Duration(b.off.Load())) },
	}
	b.start(t)
	c.fleet = append(c.fleet, b)
}

func (c *clocks) any(t *rapid.T) *clocked {
	return c.fleet[rapid.IntRange(0, len(c.fleet)-1).Draw(t, "node")]
}

// jump sets a clock. The far ones are those of machines that start without one.
func (c *clocks) jump(t *rapid.T) {
	off := time.Duration(rapid.OneOf(rapid.IntRange(-5, 5), rapid.IntRange(-7000, 7000), rapid.IntRange(-40_000_000, 100_000)).Draw(t, "seconds")) * time.Second
	c.any(t).off.Store(int64(off))
	c.widest = max(c.widest, off)
}

// verify presents somebody who has just signed in, and whom only a clock can
// refuse.
func (c *clocks) verify(t *rapid.T) {
	b, now := c.any(t), time.Now()
	if b.State() != node.Ready {
		return
	}
	s := &sighted{at: now, by: b, Credential: revocation.Credential{
		Issuer: issuer, Subject: subjects.Draw(t, "subject"), IssuedAt: now.Unix(),
	}}
	if rapid.Bool().Draw(t, "has auth_time") {
		s.AuthTime = now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds ago")) * time.Second).Unix()
	}
	s.Seal()
	if time.Unix(s.IssuedAt, 0).After(b.now().Add(modelSkew)) {
		return // in the future, by its clock
	}
	b.Verified(&s.Credential)
	c.seen = append(c.seen, s)
}

// cut signs somebody out as the admin API does, and holds it to what was
// verified two heartbeats before.
func (c *clocks) cut(t *rapid.T) {
	b, began := c.any(t), time.Now()
	now := b.now()
	at := b.Instant(issuer, now)
	r := revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: issuer, Subject: subjects.Draw(t, "subject")}, Mode: revocation.SignIn,
		At: at.UnixMilli(), Through: revocation.ThroughOf(at, modelSkew), Source: "admin", Time: now.UnixMilli(),
	}
	if rapid.Bool().Draw(t, "refresh") {
		r.Mode = revocation.Refresh
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := b.Submit(ctx, []revocation.Record{r}, ledger.Idempotency{}); err != nil {
		return
	}
	if now.Equal(began) && at.Sub(now) > min(c.widest, revocation.MostAhead) {
		t.Fatalf("the clock is right, and whoever is signed out can't return for %s; no clock was ahead by more than %s", at.Sub(now), c.widest)
	}
	for _, s := range c.seen {
		if s.Subject == r.Target.Subject && !s.lost && began.Sub(s.at) >= 2*time.Second && !refused(b.Index(), &s.Credential) {
			t.Fatalf("%s, off by %s, signs %s out until %s and misses what %s verified %s before: %+v",
				b.ID(), now.Sub(began), s.Subject, at, s.by.ID(), began.Sub(s.at), s.Credential)
		}
	}
}

// kill ends a node without a goodbye and starts another in its place: what is
// saved is as it was.
func (c *clocks) kill(t *rapid.T) {
	b := c.any(t)
	saved := b.keeps.Load()
	b.end().set(func(e *end) { e.down = true })
	_ = b.Close()
	b.keeps.mu.Lock()
	b.keeps.newest = maps.Clone(saved)
	b.keeps.mu.Unlock()
	for _, s := range c.seen {
		s.lost = s.lost || s.by == b && time.Since(s.at) < time.Second
	}
	b.start(t)
}

// Whatever clocks do, the writer's and others': a cut hits every credential that
// was verified two seconds before it, on any node, and a clock that is ahead
// locks nobody out for longer than it is wrong.
func TestACutHitsWhatWasVerifiedWhateverTheClocksDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			c := &clocks{shared: newSharedLog()}
			defer func() {
				for _, b := range c.fleet {
					_ = b.Close()
				}
			}()
			for range rapid.IntRange(1, 3).Draw(rt, "nodes") {
				c.join(rt)
			}
			time.Sleep(5 * time.Second)
			rt.Repeat(map[string]func(*rapid.T){
				"jump": c.jump, "verify": c.verify, "verify more": c.verify, "cut": c.cut, "cut more": c.cut, "join": c.join, "kill": c.kill,
				"be right": func(t *rapid.T) { c.any(t).off.Store(0) },
				"restart":  func(t *rapid.T) { b := c.any(t); _ = b.Close(); b.start(t) },
				"wait": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * time.Millisecond)
				},
				"a moment": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond) },
			})
		})
	})
}
