package login

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/revocation"
)

// Restored tabs ask for their pages at once, before any of them has a cookie.
func TestTwentyRestoredTabsAreTwentyPagesAndOneSession(t *testing.T) {
	for name, begun := range map[string]bool{"a browser that was here": true, "a new browser": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.waits = true
			b := w.browser("alice")
			if begun {
				b.step(app + "/")
			}
			ids := make(map[string]bool)
			var callbacks [20]string
			for i := range callbacks {
				if begun {
					callbacks[i] = b.stepTo(app + "/tab")
					continue
				}
				// Each asks without a cookie; the last to be answered leaves its key.
				b.setCookie(app, secureCookies.Attempt, "")
				callbacks[i] = b.stepTo(app + "/tab")
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			for _, callback := range callbacks {
				// Every tab's request leaves before any answer is in.
				header := []string{"Cookie", secureCookies.Attempt + "=" + b.cookie(app, secureCookies.Attempt)}
				wg.Go(func() {
					tab := w.browser("alice")
					p := tab.step(callback, header...)
					if p.status != http.StatusSeeOther || p.header.Get("Location") != "/tab" {
						t.Errorf("a tab got %d %s", p.status, p.body)
						return
					}
					s, _, problem := w.all.Open(tab.cookie(app, secureCookies.Session), appHost, w.now())
					if problem != Fine {
						t.Error(problem)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					ids[s.Credential.TokenID] = true
				})
			}
			wg.Wait()
			if len(ids) != 1 || w.cuts() != 0 || w.all.waiting.Load() != 0 {
				t.Errorf("%d sessions, %d cuts, %d waiting", len(ids), w.cuts(), w.all.waiting.Load())
			}
		})
	}
}

func TestTabsThatFinishOneAfterTheOtherKeepTheFirstSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	first, second := b.stepTo(app+"/1"), b.stepTo(app+"/2")
	b.step(first)
	id := b.id()
	w.advance(10 * time.Minute)
	if p := b.step(second); p.header.Get("Location") != "/2" || b.id() != id {
		t.Errorf("got %d, session %s after %s", p.status, b.id(), id)
	}
	if w.cuts() != 0 {
		t.Error("a session was cut")
	}
}

func TestThreeSessionsThatDoNotComeBackEndInAPage(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	for range 3 {
		b.wantSignedIn(app + "/")
		b.setCookie(app, secureCookies.Session, "") // something between takes it away
		w.advance(50 * time.Millisecond)
	}
	if w.cuts() != 2 {
		t.Errorf("%d of the sessions that nobody has were cut", w.cuts())
	}
	asked := len(w.provider.asked)
	b.open(app+"/").want(t, http.StatusBadRequest, PageLoop)
	if len(w.provider.asked) != asked {
		t.Error("the provider was asked")
	}
	// The next try is a new one.
	b.wantSignedIn(app + "/")
}

func TestSigningInAndOutIsNoLoop(t *testing.T) {
	w := newWorld(t)
	b := w.browser("alice")
	for range 5 {
		b.wantSignedIn(app + "/")
		b.post(app+"/.curfew/sign-out", nil)
		w.advance(time.Second)
	}
	for range 5 { // nor is a session that an operator ends
		b.wantSignedIn(app + "/")
		w.cut(revocation.Target{Issuer: providerURL, Subject: "alice"})
	}
	b.wantSignedIn(app + "/")
}

func TestAttemptCookies(t *testing.T) {
	key := newSecret(keyBytes)
	for value, want := range map[string]int{
		key: 0, key + ".abc": 1, key + ".a.b.c": 3,
		key + ".a.b.c.d": -1, key + ".": -1, key + "..a": -1, key + ".-_": -1, key[1:]: -1, key + "A": -1, "": -1, key + strings.Repeat(".a", 200): -1, key[:42] + "=": -1,
	} {
		a, ok := attemptOf(http.Header{"Cookie": {"x=" + value}}, "x")
		if ok != (want >= 0) || ok && len(a.completed) != want {
			t.Errorf("%q: %v %v", value, a, ok)
		}
	}
	a := attempt{key: key}
	if a.verifier("1") == a.verifier("2") || len(a.verifier("1")) != 43 || a.digest() == a.verifier("") || strings.Contains(a.digest(), key[:8]) {
		t.Error("what is derived is not apart")
	}
}

func TestWhatIsRememberedOfBrowsersHasABound(t *testing.T) {
	var all turns
	now := time.Unix(1_800_000_000, 0)
	for i := range 3 * maxTurns {
		all.take(string(bind("browser", string(rune(i)))), now.Add(time.Duration(i)*time.Millisecond))
	}
	if len(all.of) > maxTurns {
		t.Errorf("%d browsers are remembered", len(all.of))
	}
	of := all.take("x", now)
	for i := range 3 * maxUsed {
		if of.use(string(bind(string(rune(i))))) {
			t.Fatal("a new attempt counts as used")
		}
	}
	if len(of.used) > maxUsed || !of.use(of.used[maxUsed-1]) {
		t.Errorf("%d attempts are remembered", len(of.used))
	}
}
