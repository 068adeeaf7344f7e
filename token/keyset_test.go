package token

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

// running is a provider, its key set under way, and a verifier.
type running struct {
	*tokentest.Issuer
	keys *KeySet
	v    *Verifier
	log  *journal
	stop func()
}

// journal is an Observer.
type journal struct {
	mu      sync.Mutex
	results []FetchResult
	unused  [][]UnusedKey
	unknown int
}

func (j *journal) Fetched(r FetchResult, _ error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.results = append(j.results, r)
}

func (j *journal) Unused(keys []UnusedKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unused = append(j.unused, keys)
}

func (j *journal) UnknownKey() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unknown++
}

// heard returns what was reported of unused keys.
func (j *journal) heard() [][]UnusedKey {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.unused)
}

func (j *journal) unknownKeys() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unknown
}

func (j *journal) last() FetchResult {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.results) == 0 {
		return ""
	}
	return j.results[len(j.results)-1]
}

// run starts a key set in the test's bubble; fail answers from the start.
func run(t *testing.T, cache *Cache, fail http.Handler) running {
	t.Helper()
	i := tokentest.New(t, issuerURL)
	i.Fail(fail)
	r := running{Issuer: i, log: new(journal)}
	r.keys = NewKeySet(i.URL, KeySetOptions{Transport: i.Transport(), Observer: r.log})
	r.v = newTestVerifier(t, VerifierConfig{Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: i.URL}, Audiences: []string{api}}, r.keys}}, Cache: cache})
	ctx, cancel := context.WithCancel(t.Context())
	go r.keys.Run(ctx)
	r.stop = func() { cancel(); synctest.Wait() }
	synctest.Wait()
	return r
}

func (r running) token() string { return r.Sign(r.Claims(api, time.Now())) }

func (r running) verify(raw string) error {
	_, _, err := r.v.Verify(context.Background(), raw, time.Now())
	return err
}

// outsideCache is a cache whose goroutines are not in the bubble, and a way to
// wait from there until it took what was put.
func outsideCache(t *testing.T) (c *Cache, settle func()) {
	c = newTestCache(t, 1<<20)
	ask, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(ask) })
	go func() {
		for range ask {
			c.store.Wait()
			done <- struct{}{}
		}
	}()
	return c, func() { ask <- struct{}{}; <-done }
}

// outage answers 500 and counts.
type outage struct{ asked atomic.Int64 }

func (o *outage) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	o.asked.Add(1)
	w.WriteHeader(http.StatusInternalServerError)
}

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func TestKeySetRefreshesWithoutBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		if !r.keys.Ready(time.Now(), time.Second) {
			t.Fatal("not ready after the first fetch")
		}
		time.Sleep(time.Hour)
		if n := r.Fetches(); n < 15 || n > 21 {
			t.Errorf("%d fetches in an hour", n)
		}
		if since := time.Since(r.keys.LastSuccess()); since > 4*time.Minute {
			t.Errorf("the last was %v ago", since)
		}
	})
}

func TestKeySetPicksUpALateProviderSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, status(503))
		defer r.stop()
		wantKind(t, r.verify(r.token()), NotReady)
		time.Sleep(3 * time.Second)
		r.Fail(nil)
		time.Sleep(5 * time.Second)
		if err := r.verify(r.token()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestKeySetBacksOffWhileThereAreNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := new(outage)
		r := run(t, nil, down)
		defer r.stop()
		for range 600 { // tokens don't add to it
			wantKind(t, r.verify(r.token()), NotReady)
			time.Sleep(time.Second)
		}
		if n := down.asked.Load(); n < 60 || n > 140 {
			t.Errorf("%d attempts in ten minutes", n)
		}
	})
}

// F-11: whatever the provider answers, the last good keys stay.
func TestF11FaultsKeepTheLastGoodKeys(t *testing.T) {
	body := func(jwks string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/jwks") {
				_, _ = io.WriteString(w, jwks)
				return
			}
			_, _ = io.WriteString(w, `{"issuer":"`+issuerURL+`","jwks_uri":"`+issuerURL+`/jwks"}`)
		})
	}
	discovery := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
	}
	for name, c := range map[string]struct {
		h    http.Handler
		want FetchResult
	}{
		"500":                {status(500), FetchRefused},
		"404":                {status(404), FetchRefused},
		"garbage":            {body("<html>"), FetchMalformed},
		"empty body":         {body(""), FetchMalformed},
		"no keys member":     {body(`{}`), FetchMalformed},
		"keys in caps":       {body(`{"KEYS":[]}`), FetchMalformed},
		"duplicate keys":     {body(`{"keys":[],"keys":[]}`), FetchMalformed},
		"empty set":          {body(`{"keys":[]}`), FetchUnusable},
		"useless keys":       {body(`{"keys":[{"kty":"EC"},{"kty":"x"},1]}`), FetchUnusable},
		"symmetric":          {body(`{"keys":[{"kty":"oct","k":"AAAA"}]}`), FetchUnusable},
		"101 keys":           {body(`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`), FetchMalformed},
		"just over 1 MiB":    {body(`{"keys":[]}` + strings.Repeat(" ", 1<<20)), FetchMalformed},
		"other issuer":       {discovery(`{"issuer":"` + issuerURL + `/","jwks_uri":"https://x/"}`), FetchMalformed},
		"no jwks_uri":        {discovery(`{"issuer":"` + issuerURL + `"}`), FetchMalformed},
		"plaintext jwks_uri": {discovery(`{"issuer":"` + issuerURL + `","jwks_uri":"http://x/"}`), FetchMalformed},
		"loopback jwks_uri":  {discovery(`{"issuer":"` + issuerURL + `","jwks_uri":"https://127.0.0.1/"}`), FetchMalformed},
		"redirect off":       {http.RedirectHandler("https://evil.example.com/", http.StatusFound), FetchUnreachable},
		"slow": {http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}), FetchUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := run(t, nil, nil)
				defer r.stop()
				raw := r.token()
				r.Fail(c.h)
				time.Sleep(10 * time.Minute)
				if got := r.log.last(); got != c.want {
					t.Errorf("result %q, want %q", got, c.want)
				}
				if err := r.verify(raw); err != nil {
					t.Errorf("known keys stopped working: %v", err)
				}
			})
		})
	}
}

// F-11: an outage is bridged for a day, and no longer.
func TestF11LongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		r.Fail(status(500))
		time.Sleep(DefaultJWKSMaxStale - time.Minute)
		if err := r.verify(r.token()); err != nil {
			t.Errorf("before the limit: %v", err)
		}
		time.Sleep(2 * time.Minute)
		wantKind(t, r.verify(r.token()), NotReady)
		r.Fail(nil)
		time.Sleep(time.Minute)
		if err := r.verify(r.token()); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// F-11: 300 MB are not read.
func TestF11EndlessAnswerIsCutOff(t *testing.T) {
	var sent int
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/jwks") {
			_, _ = io.WriteString(w, `{"issuer":"`+issuerURL+`","jwks_uri":"`+issuerURL+`/jwks"}`)
			return
		}
	})
	f := newFetcher(issuerURL, KeySetOptions{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/jwks") {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(endless{&sent})}, nil
		}
		return serve(server, r), nil
	})})
	if _, err := f.fetch(context.Background()); resultOf(err) != FetchMalformed {
		t.Errorf("got %v", err)
	}
	if sent > 4<<20 {
		t.Errorf("read %d bytes", sent)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type endless struct{ n *int }

func (e endless) Read(b []byte) (int, error) {
	*e.n += len(b)
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// F-12 and K9: what clients send does not decide how often a provider is asked.
func TestF12StormsCostOneFetchInTenSeconds(t *testing.T) {
	for name, c := range map[string]struct {
		tokens int
		forge  func(t *testing.T, r running, n int) string
	}{
		"unknown kid": {50_000, func(t *testing.T, r running, n int) string {
			return r.Key().Sign(t, []byte(`{"iss":"`+issuerURL+`"}`), map[string]any{"kid": "k" + strconv.Itoa(n)})
		}},
		"bad signature": {3_000, func(t *testing.T, r running, n int) string {
			raw := r.token()
			return raw[:len(raw)-2] + flip(raw[len(raw)-2]) + raw[len(raw)-1:]
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("many signatures")
			}
			synctest.Test(t, func(t *testing.T) {
				r := run(t, nil, nil)
				defer r.stop()
				forged := make([]string, 50)
				for n := range forged {
					forged[n] = c.forge(t, r, n)
				}
				good := r.token()
				before := r.Fetches()
				const seconds = 100
				for n := range c.tokens {
					wantKind(t, r.verify(forged[n%len(forged)]), Invalid)
					if n%(c.tokens/seconds) == 0 {
						time.Sleep(time.Second)
						if err := r.verify(good); err != nil {
							t.Fatalf("a good token in the storm: %v", err)
						}
					}
				}
				if n := r.Fetches() - before; n < 5 || n > seconds/10+1 {
					t.Errorf("%d fetches in %d s", n, seconds)
				}
			})
		})
	}
}

// F-12: the limiter fails closed while the provider is down.
func TestF12StormDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		down := new(outage)
		r.Fail(down)
		forged := r.Key().Sign(t, []byte(`{"iss":"`+issuerURL+`"}`), map[string]any{"kid": "k"})
		for range 1000 {
			wantKind(t, r.verify(forged), Invalid)
			time.Sleep(100 * time.Millisecond)
		}
		if n := down.asked.Load(); n > 11 {
			t.Errorf("asked %d times in 100 s", n)
		}
	})
}

func TestWaitersShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		time.Sleep(time.Minute)
		before := r.Fetches()
		r.Rotate(tokentest.NewKey(t, "key-2", "ES256"))
		raw := r.token()
		var group sync.WaitGroup
		for range 200 {
			group.Go(func() {
				if err := r.verify(raw); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := r.Fetches() - before; n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestACallerThatLeavesDoesNotStopTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		time.Sleep(time.Minute)
		slow := make(chan struct{})
		key2 := tokentest.NewKey(t, "key-2", "ES256")
		r.Rotate(key2)
		r.Fail(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			<-slow
			r.Fail(nil)
			r.ServeHTTP(w, q)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, _, err := r.v.Verify(ctx, r.token(), time.Now())
			left <- err
		}()
		synctest.Wait()
		cancel()
		wantKind(t, <-left, Invalid)
		close(slow)
		synctest.Wait()
		if err := r.verify(r.token()); err != nil {
			t.Errorf("the fetch went with its caller: %v", err)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	s := NewKeySet(issuerURL, KeySetOptions{})
	s.waiting = maxWaiting
	if _, ok := s.join(); ok {
		t.Error("one more may wait")
	}
}

// F-13: rotation without a false 401.
func TestF13Rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		old, oldToken := r.Key(), r.token()
		time.Sleep(11 * time.Second)

		next := tokentest.NewKey(t, "key-2", "RS256")
		r.Rotate(next, old) // overlap
		newToken := r.token()
		if err := r.verify(newToken); err != nil {
			t.Fatalf("a token of the new key: %v", err)
		}
		if err := r.verify(oldToken); err != nil {
			t.Fatalf("a token of the old key, in overlap: %v", err)
		}

		r.Rotate(tokentest.NewKey(t, "key-3", "ES256"), next) // a fetch was just spent
		raw := r.token()
		wantKind(t, r.verify(raw), Invalid)
		time.Sleep(minInterval)
		if err := r.verify(raw); err != nil {
			t.Fatalf("10 s later: %v", err)
		}
	})
}

// An ambiguous key is reported when it comes and when it goes, not at each fetch.
func TestAnUnusedKeyIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		raw := r.token()
		one, two := tokentest.NewKey(t, "twice", "ES256"), tokentest.NewKey(t, "twice", "ES256")
		r.Rotate(r.Key(), one, two)
		time.Sleep(time.Hour)
		if err := r.verify(raw); err != nil {
			t.Errorf("a token of another key: %v", err)
		}
		r.Rotate(r.Key(), one)
		time.Sleep(time.Hour)
		heard := r.log.heard()
		if len(heard) != 2 || len(heard[0]) != 2 || len(heard[1]) != 0 {
			t.Fatalf("reported %v", heard)
		}
		if k := heard[0][0]; k.KeyID != "twice" || k.Reason != errKeyAmbiguous.Error() {
			t.Errorf("reported %v", k)
		}
	})
}

// unknown is an observer that does something when a token's key is not known.
type unknown struct {
	deaf
	then func()
}

func (u unknown) UnknownKey() { u.then() }

// A fetch that ends just when a token's key was looked for in vain has it, though
// it is too early for another one.
func TestAKeyThatHasJustCome(t *testing.T) {
	i := tokentest.New(t, issuerURL)
	observer := &unknown{}
	s := NewKeySet(i.URL, KeySetOptions{Transport: i.Transport(), Observer: observer})
	fetch := func() {
		if err := s.fetch(t.Context()); err != nil {
			t.Error(err)
		}
	}
	fetch()
	i.Rotate(tokentest.NewKey(t, "key-2", "ES256"))
	observer.then = fetch
	v := newTestVerifier(t, VerifierConfig{Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, s}}})
	if _, _, err := v.Verify(t.Context(), i.Sign(i.Claims(api, time.Now())), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestF13KeyReplacedUnderItsKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		oldToken := r.token()
		time.Sleep(11 * time.Second)
		r.Rotate(tokentest.NewKey(t, "key-1", "ES256"))
		if err := r.verify(r.token()); err != nil {
			t.Fatal(err)
		}
		wantKind(t, r.verify(oldToken), Invalid)
	})
}

// F-13: a key that the provider removed is refused within 5 minutes though
// nothing asks, and what it verified is forgotten with it.
func TestF13RemovedKeyIsRefused(t *testing.T) {
	cache, settle := outsideCache(t)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, cache, nil)
		defer r.stop()
		removed := r.token()
		r.Rotate(tokentest.NewKey(t, "key-2", "ES256"), r.Key())
		time.Sleep(11 * time.Second)
		kept := r.token()
		for _, raw := range []string{removed, kept} {
			if err := r.verify(raw); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		r.Rotate(r.Key())
		time.Sleep(5 * time.Minute)
		wantKind(t, r.verify(removed), Invalid)
		if _, hit, err := r.v.Verify(t.Context(), kept, time.Now()); !hit || err != nil {
			t.Errorf("a token of the key that stayed: hit %v, %v", hit, err)
		}
	})
}

func TestStoppedKeySetTrustsNothing(t *testing.T) {
	cache, settle := outsideCache(t)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, cache, nil)
		raw := r.token()
		if err := r.verify(raw); err != nil {
			t.Fatal(err)
		}
		settle()
		r.stop()
		wantKind(t, r.verify(raw), NotReady)
	})
}

func TestUnknownKeysAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		wantKind(t, r.verify(r.Key().Sign(t, []byte(`{"iss":"`+issuerURL+`"}`), map[string]any{"kid": "k"})), Invalid)
		if n := r.log.unknownKeys(); n != 1 || r.log.last() != FetchOK {
			t.Errorf("heard %d unknown keys, last %q", n, r.log.last())
		}
	})
}

func TestTokenWithoutKid(t *testing.T) {
	i := tokentest.New(t, issuerURL)
	one, two := tokentest.NewKey(t, "one", "ES256"), tokentest.NewKey(t, "two", "ES256")
	for name, c := range map[string]struct {
		keys []tokentest.Key
		ok   bool
	}{
		"one key fits its alg": {[]tokentest.Key{one, tokentest.NewKey(t, "r", "RS256")}, true},
		"two keys fit its alg": {[]tokentest.Key{one, two}, false},
		"the key has no kid":   {[]tokentest.Key{{ID: "", Algorithm: "ES256", Signer: one.Signer}}, true},
		"no key fits its alg":  {[]tokentest.Key{tokentest.NewKey(t, "r", "RS256")}, false},
		"kid published twice":  {[]tokentest.Key{one, {ID: "one", Algorithm: "ES256", Signer: two.Signer}, tokentest.NewKey(t, "r", "RS256")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			i.Publish(c.keys...)
			v := newTestVerifier(t, VerifierConfig{
				Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{api}}, staticKeys(t, i, start)}},
			})
			raw := sign(t, tokentest.Key{Algorithm: "ES256", Signer: one.Signer}, i.Claims(api, start), nil, nil)
			got, _, err := v.Verify(t.Context(), raw, start)
			if c.ok != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if c.ok && got.Credential.KeyID != c.keys[0].ID {
				t.Errorf("kid is %q, so a cut of %q would miss it", got.Credential.KeyID, c.keys[0].ID)
			}
		})
	}
}

func TestResultsOfErrors(t *testing.T) {
	if resultOf(nil) != FetchOK || resultOf(errors.New("x")) != FetchUnreachable {
		t.Error("wrong results")
	}
}
