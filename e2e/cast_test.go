//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"
)

// cast is one person's sessions by device and app: two apps share the laptop's
// browser, everything else is on a device of its own.
type cast map[string]*session

const (
	phone   = "phone/mobile"
	laptop  = "laptop/web"
	other   = "laptop/mobile" // another app on the laptop
	desktop = "desktop/web"
	console = "console/xbox-console"
)

func newCast(t *testing.T, p *provider, user string) cast {
	t.Helper()
	onPhone := newBrowser(t, p, user, "phone-of-"+user)
	onLaptop := newBrowser(t, p, user, "laptop-of-"+user)
	onDesktop := newBrowser(t, p, user, "desktop-of-"+user)
	onConsole := newBrowser(t, p, user, "console-of-"+user)
	return cast{
		phone:   onPhone.signIn(t, "mobile"),
		laptop:  onLaptop.signIn(t, "web"),
		other:   onLaptop.signIn(t, "mobile"),
		desktop: onDesktop.signIn(t, "web"),
		console: onConsole.signIn(t, "xbox-console"),
	}
}

// verdicts says how each of a cast fares; who is missing is admitted.
type verdicts map[string]string

// check tries every session of a cast.
func (c cast) check(t *testing.T, g *gateway, want verdicts) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(c)) {
		verdict := admit
		if refused, ok := want[name]; ok {
			verdict = refused
		}
		g.expect(t, verdict, c[name], "/", name)
	}
}

const (
	// clockSkew is the issuer's default.
	clockSkew = 2 * time.Second
	// skewPassed is how long after a revocation whoever signs in anew must be
	// let in: the skew, the second that is cut off, and much time to compute on a
	// machine that is busy with other tests.
	skewPassed = 30 * time.Second
)

// returns plays an app that was refused: it sends its user to the provider with
// what the challenge asks for, until it is let in. It must be, within the skew
// and a little more.
func returns(t *testing.T, g *gateway, s *session, path string) *session {
	t.Helper()
	var back *session
	eventually(t, skewPassed, s.browser.user+" is let in again", func() error {
		verdict, a := g.try(t, orFirst(back, s), path)
		if verdict == admit {
			return nil
		}
		asked := a.challenge()
		age, err := strconv.Atoi(asked["max_age"])
		if err != nil || age < 0 {
			t.Fatalf("%s: the challenge says no max_age: %q", verdict, a.header.Get("WWW-Authenticate"))
		}
		parameters := []string{"max_age=" + asked["max_age"]}
		if acr := asked["acr_values"]; acr != "" {
			parameters = append(parameters, "acr_values="+acr)
		}
		back = s.browser.signIn(t, s.app, parameters...)
		return fmt.Errorf("%s, and max_age %d", verdict, age)
	})
	return back
}

func orFirst(s, first *session) *session {
	if s == nil {
		return first
	}
	return s
}
