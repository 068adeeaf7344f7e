//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"time"
)

// fetchPause is how long after a fetch of keys no token can cause another one.
const fetchPause = 10 * time.Second

// TestPlannedRotation rotates with an overlap: nobody with a valid token is
// refused, neither with the old key nor with the new one.
func TestPlannedRotation(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	b := newBrowser(t, p, "alice", "laptop-of-alice")
	old := b.signIn(t, "web")
	g.expect(t, admit, old, "/", "before")
	g.awaitFetchAllowed(t)
	p.rotate(t, true)
	g.expect(t, admit, old, "/", "the old key before its successor is known")
	young := b.signIn(t, "web")
	if young.facts(t).KeyID == old.facts(t).KeyID {
		t.Fatal("the provider has not rotated")
	}
	g.expect(t, admit, young, "/", "the new key at its first sight")
	g.expect(t, admit, old, "/", "the old key afterwards")
	g.expect(t, admit, old.refreshed(t), "/", "a refreshed session")
	if n := g.metric(t, "curfew_jwks_fetches_total", `result="ok"`); n != 2 {
		t.Errorf("the keys were fetched %v times, want once at the start and once for the new key", n)
	}
}

// TestEmergencyRotation takes a stolen key away: once the gateway has seen the
// new key set, tokens of the old one are refused, though verified before.
func TestEmergencyRotation(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	b := newBrowser(t, p, "alice", "laptop-of-alice")
	old := b.signIn(t, "web")
	g.expect(t, admit, old, "/", "before")
	g.awaitFetchAllowed(t)
	p.rotate(t, false)
	g.expect(t, admit, b.signIn(t, "web"), "/", "the new key")
	g.expect(t, "invalid-token", old, "/", "the key that is gone")
	g.expect(t, "invalid-token", old, "/", "the key that is gone, again")
}

// TestEmergencyRotationUnseen waits for the refresh that nothing asks for, at
// most four minutes. It runs with CURFEW_LONG=1.
func TestEmergencyRotationUnseen(t *testing.T) {
	if os.Getenv("CURFEW_LONG") == "" {
		t.Skip("set CURFEW_LONG=1 to wait for the refresh interval of the keys, up to four minutes")
	}
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	old := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	g.expect(t, admit, old, "/", "before")
	p.rotate(t, false)
	eventually(t, 4*time.Minute+5*time.Second, "the removed key is refused", func() error {
		if verdict := g.verdict(t, old, "/"); verdict != "invalid-token" {
			return errors.New(verdict)
		}
		return nil
	})
}

// TestUnknownKey shows that whoever invents keys gets no more than one fetch out
// of it.
func TestUnknownKey(t *testing.T) {
	t.Parallel()
	p, stranger := newProvider(t), newProvider(t)
	g := newGateway(t, p, config{})
	good := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	foreign := newBrowser(t, stranger, "alice", "laptop-of-alice").signIn(t, "web")
	began, before := time.Now(), g.metric(t, "curfew_jwks_fetches_total", "")
	for range 20 {
		g.expect(t, "invalid-token", foreign, "/", "another provider's token")
	}
	g.expect(t, admit, good, "/", "a good token meanwhile")
	took := time.Since(began)
	if n := g.metric(t, "curfew_jwks_fetches_total", "") - before; n > 1+float64(took/fetchPause) {
		t.Errorf("unknown keys caused %v fetches in %v", n, took)
	}
}

// TestOutage lets the provider fail, then die. Known keys keep working, also
// through a reload; a gateway that starts without keys lets nobody in, and
// recovers by itself.
func TestOutage(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	g := newGateway(t, p, config{})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	fresh := newBrowser(t, p, "bob", "laptop-of-bob").signIn(t, "web")
	g.expect(t, admit, s, "/", "before")
	p.outage(t, true)
	g.expect(t, admit, s, "/", "during an outage")
	g.expect(t, admit, fresh, "/", "a token that was never seen, during an outage")
	g.reloadsWell(t)
	g.expect(t, admit, s, "/", "after a reload during an outage")
	g.cut(t, object{"target": g.target("sub", "alice")})
	g.expect(t, "signed-out", s, "/", "signed out during an outage")

	g.Kill(t)
	g.Begin(t)
	g.awaitLive(t)
	g.expect(t, "not-ready", fresh, "/", "without keys")
	if status, err := g.Health("/readyz"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz without keys: %d %v", status, err)
	}
	p.outage(t, false)
	g.AwaitReady(t)
	g.expect(t, admit, fresh, "/", "once the provider is back")
	g.expect(t, "signed-out", s, "/", "signed out before the crash")

	_ = p.process.End(os.Kill)
	g.expect(t, admit, fresh, "/", "with the provider dead")
	p = newProvider(t, "--port", p.port())
	g.awaitFetchAllowed(t)
	young := newBrowser(t, p, "bob", "laptop-of-bob").signIn(t, "web")
	g.expect(t, admit, young, "/", "a sign-in at the provider that took its place")
	g.expect(t, "invalid-token", fresh, "/", "a key that its provider no longer has")
}

// TestClockBehind gives the provider a clock that is almost as far behind as
// the skew allows. Whoever is signed out stays out, and whoever does what the
// challenge says comes back: the obvious max_age would lock them out for ever.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	signOutUnder(t, "-1800")
}

// TestClockAhead is the other way round.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	signOutUnder(t, "1800")
}

func signOutUnder(t *testing.T, offset string) {
	p := newProvider(t, "--clock-offset-ms="+offset)
	g := newGateway(t, p, config{})
	s := newBrowser(t, p, "alice", "laptop-of-alice").signIn(t, "web")
	g.expect(t, admit, s, "/", "before")
	g.cut(t, object{"target": g.target("sub", "alice")})
	g.expect(t, "signed-out", s, "/", "the old token")
	returns(t, g, s, "/")
	g.expect(t, "signed-out", s, "/", "the old token, later")
	g.expect(t, "signed-out", s.refreshed(t), "/", "the old session, refreshed")
}

// awaitFetchAllowed waits until an unknown key may cause a fetch.
func (g *gateway) awaitFetchAllowed(t *testing.T) {
	t.Helper()
	last := time.UnixMilli(int64(1000 * g.metric(t, "curfew_jwks_last_success_timestamp_seconds", "")))
	time.Sleep(time.Until(last.Add(fetchPause + 100*time.Millisecond)))
}

// awaitLive waits until the process answers.
func (g *gateway) awaitLive(t *testing.T) {
	t.Helper()
	eventually(t, patience, "the gateway lives", func() error {
		_, err := g.Health("/livez")
		return err
	})
}
