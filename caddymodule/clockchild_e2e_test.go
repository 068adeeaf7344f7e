//go:build e2e

package caddymodule_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/caddymodule"
	"curfew.dev/curfew/token/tokentest"
)

// pipedClock makes the child's clock one that is off by so many milliseconds,
// and by each number that it reads from its fourth file. It answers each on the
// fifth.
const pipedClock = "CURFEW_TEST_CLOCK"

func init() {
	ms, err := strconv.ParseInt(os.Getenv(pipedClock), 10, 64)
	if err != nil {
		return
	}
	c := new(clock)
	set := func(ms int64) { c.off.Store(int64(time.Duration(ms) * time.Millisecond)) }
	set(ms)
	caddymodule.SetClock(c.now)
	go func() {
		answers := os.NewFile(4, "answers")
		for lines := bufio.NewScanner(os.NewFile(3, "offsets")); lines.Scan(); {
			if ms, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				set(ms)
				fmt.Fprintln(answers)
			}
		}
	}()
}

// jumpy is a gateway of its own process, whose clock the test sets.
type jumpy struct {
	*child
	offsets io.WriteCloser
	answers *bufio.Reader
}

// runOff starts a gateway whose clock is off from the beginning.
func (g *gateway) runOff(off time.Duration) *jumpy {
	g.t.Helper()
	theirs, offsets, err := os.Pipe()
	if err != nil {
		g.t.Fatal(err)
	}
	answers, ours, err := os.Pipe()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Setenv(pipedClock, strconv.FormatInt(off.Milliseconds(), 10))
	c := g.run(global, sites, theirs, ours)
	g.t.Cleanup(func() { _, _ = offsets.Close(), answers.Close() })
	_, _ = theirs.Close(), ours.Close()
	g.awaitReady()
	return &jumpy{c, offsets, bufio.NewReader(answers)}
}

// jump sets the clock and returns when it is set.
func (j *jumpy) jump(t *testing.T, off time.Duration) {
	t.Helper()
	if _, err := fmt.Fprintln(j.offsets, off.Milliseconds()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

// signedIn is a token of somebody who has signed in a moment ago.
func (g *gateway) signedIn(sub string) (token string, at time.Time) {
	at = time.Now().Truncate(time.Second)
	return g.token(sub, tokentest.Claims{"iat": at.Unix(), "auth_time": at.Unix(), "exp": at.Unix() + 300}), at
}

func (g *gateway) expect(what, token string, status int, problem string) {
	g.t.Helper()
	if a := g.get("/", token); a.StatusCode != status || a.problem() != problem {
		g.t.Errorf("%s: %d %s, want %d %s", what, a.StatusCode, a.problem(), status, problem)
	}
}

// cutsAll signs somebody out and checks that it hits what was verified.
func (g *gateway) cutsAll(sub string, verified time.Time) {
	g.t.Helper()
	receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": sub})
	at, err := time.Parse(time.RFC3339, receipt["at"].(string))
	if state := receipt["enforcement"].(map[string]any)["state"]; err != nil || state != "enforced" || at.Before(verified) {
		g.t.Errorf("%s signed in at %s; signed out until %v, %v, %v", sub, verified, receipt["at"], state, err)
	}
}

const (
	invalidToken = "urn:curfew:invalid-token"
	signedOut    = "urn:curfew:signed-out"
)

// A token was verified, and then the clock goes back by ten minutes. A sign-out
// that is acknowledged hits the token, also when the clock is right again, and
// also when the gateway was killed in between and starts with a clock that is
// behind. A new sign-in is admitted.
func TestASignOutHitsThoughTheClockWentBack(t *testing.T) {
	g := prepare(t)
	const back = -10 * time.Minute
	j := g.runOff(0)
	alice, at := g.signedIn("alice")
	g.expect("alice", alice, 200, "")
	j.jump(t, back)
	g.expect("alice, who signs in in ten minutes by this clock", alice, 401, invalidToken)
	g.cutsAll("alice", at)
	g.expect("alice, signed out", alice, 401, invalidToken)
	if offset := g.clockOffset(); offset > -590 {
		t.Errorf("curfew_clock_offset_seconds is %v", offset)
	}
	j.jump(t, 0)
	g.expect("alice, signed out, and the clock is right", alice, 401, signedOut)
	if offset := g.clockOffset(); offset != 0 {
		t.Errorf("curfew_clock_offset_seconds is %v, and the clock is right", offset)
	}
	eventually(t, "alice has signed in again and is admitted", func() bool {
		again, _ := g.signedIn("alice")
		return g.get("/", again).StatusCode == 200
	})

	bob, at := g.signedIn("bob")
	g.expect("bob", bob, 200, "")
	time.Sleep(time.Second) // what is lost is a second, by contract
	j.end(os.Kill)
	if said := j.log.String(); !strings.Contains(said, "this node's clock is behind") {
		t.Errorf("the log does not say that the clock was behind: %q", said)
	}
	client.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	j = g.runOff(back)
	g.cutsAll("bob", at)
	j.jump(t, 0)
	g.expect("bob, signed out by a gateway that started with a clock that was behind", bob, 401, signedOut)
	g.expect("alice, still", alice, 401, signedOut)
}

// clockOffset is what the metric says.
func (g *gateway) clockOffset() float64 {
	g.t.Helper()
	line := grep(fetch(g.t, g.health+"/metrics"), "curfew_clock_offset_seconds ")
	offset, err := strconv.ParseFloat(strings.TrimPrefix(line, "curfew_clock_offset_seconds "), 64)
	if err != nil {
		g.t.Fatalf("%q: %v", line, err)
	}
	return offset
}
