package token

import (
	"context"
	"hash/maphash"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

func newTestCache(tb testing.TB, bytes int64) *Cache {
	tb.Helper()
	c, err := NewCache(bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestCacheHit(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	raw := f.Sign(f.Claims(api, start))
	first, hit, err := f.v.Verify(t.Context(), raw, start)
	if err != nil || hit {
		t.Fatalf("hit %v, %v", hit, err)
	}
	f.v.cache.store.Wait()
	second, hit, err := f.v.Verify(t.Context(), strings.Clone(raw), start)
	if err != nil || !hit || first != second {
		t.Fatalf("hit %v, same %v, %v", hit, first == second, err)
	}
	if n := f.v.cache.Bytes(); n < int64(len(raw)) || n > 8<<10 {
		t.Errorf("%d bytes", n)
	}
}

// Two tokens of one hash are two tokens.
func TestCacheComparesTheWholeToken(t *testing.T) {
	f := newFixture(t)
	c := newTestCache(t, 0)
	one, err := f.verify(f.Sign(f.Claims(api, start)))
	if err != nil {
		t.Fatal(err)
	}
	const other = "another token"
	c.store.Set(maphash.String(c.seed, other), one, one.cost())
	c.store.Wait()
	if c.get(other) != nil {
		t.Error("a collision is a hit")
	}
}

// A reload may give the cache another size. It must keep to the new one.
func TestAResizedCacheKeepsToItsNewSize(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 1<<20)
	verify := func() {
		for range 50 {
			if _, err := f.verify(f.Sign(f.Claims(api, start))); err != nil {
				t.Fatal(err)
			}
			f.v.cache.store.Wait()
		}
	}
	verify()
	before := f.v.cache.Bytes()
	f.v.cache.Resize(before / 2)
	verify()
	if after := f.v.cache.Bytes(); after > before/2 {
		t.Errorf("%d bytes after it was resized from %d to %d", after, before, before/2)
	}
}

func TestCachedTokenExpires(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	raw := f.Sign(f.Claims(api, start), change{"exp": start.Unix() + 10})
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{0, true}, {11 * time.Second, true}, {12 * time.Second, false}} {
		_, _, err := f.v.Verify(t.Context(), raw, start.Add(c.after))
		if c.ok != (err == nil) {
			t.Errorf("after %v: %v", c.after, err)
		}
		f.v.cache.store.Wait()
	}
}

// A clock may be set back. What it then puts into the future is refused, cached
// or not, and is admitted again when that instant has come.
func TestACachedTokenIsJudgedByTheClockOfToday(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	at := start.Unix()
	for name, c := range map[string]change{
		"iat":       {"iat": at, "auth_time": at - 3600, "exp": at + 900},
		"auth_time": {"iat": at - 60, "auth_time": at, "exp": at + 900},
		"nbf":       {"iat": at - 60, "nbf": at, "exp": at + 900},
	} {
		raw := f.Sign(f.Claims(api, start), c)
		for _, c := range []struct {
			after time.Duration // the instant
			ok    bool
		}{{0, true}, {-2 * time.Second, true}, {-2*time.Second - 1, false}, {-10 * time.Minute, false}, {0, true}} {
			_, _, err := f.v.Verify(t.Context(), raw, time.Unix(at, 0).Add(c.after))
			if c.ok != (err == nil) {
				t.Errorf("%s, %v after it: %v", name, c.after, err)
			}
			f.v.cache.store.Wait()
		}
	}
}

// Somebody learns of each token that is verified, and of none that is refused.
func TestWhatIsVerifiedIsTold(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	var told []string
	f.v.verified = func(c *revocation.Credential) { told = append(told, c.TokenID) }
	good := f.Sign(f.Claims(api, start), change{"jti": "good"})
	for _, raw := range []string{good, good, f.Sign(f.Claims(api, start), change{"jti": "bad", "exp": start.Unix() - 10})} {
		_, _, _ = f.v.Verify(t.Context(), raw, start)
		f.v.cache.store.Wait()
	}
	if len(told) != 1 || told[0] != "good" {
		t.Errorf("told of %q", told)
	}
}

func TestRefusalsAreNotRemembered(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	raw := f.Sign(f.Claims(api, start), change{"nbf": start.Unix() + 60})
	_, err := f.verify(raw)
	wantKind(t, err, Invalid)
	f.v.cache.store.Wait()
	if n := f.v.cache.Bytes(); n != 0 {
		t.Errorf("%d bytes", n)
	}
	if _, _, err := f.v.Verify(t.Context(), raw, start.Add(time.Minute)); err != nil {
		t.Errorf("refused once, refused for ever: %v", err)
	}
}

// A cache outlives a configuration: an equal one stays warm, another judges
// every token again.
func TestCacheAcrossConfigurations(t *testing.T) {
	i := tokentest.New(t, issuerURL)
	keys, cache := staticKeys(t, i, start), newTestCache(t, 0)
	verifier := func(audience string) *Verifier {
		return newTestVerifier(t, VerifierConfig{
			Issuers: []IssuerKeys{{Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{audience}}, keys}}, Cache: cache,
		})
	}
	raw := i.Sign(i.Claims(api, start))
	if _, _, err := verifier(api).Verify(t.Context(), raw, start); err != nil {
		t.Fatal(err)
	}
	cache.store.Wait()
	if _, hit, err := verifier(api).Verify(t.Context(), raw, start); !hit || err != nil {
		t.Errorf("an equal configuration: hit %v, %v", hit, err)
	}
	_, _, err := verifier("https://other.example.com").Verify(t.Context(), raw, start)
	wantKind(t, err, Invalid)
}

// A full cache keeps what was used more often, so most of the tokens that it drops
// are new ones. A count of the others would call it large enough.
func TestATokenThatACacheDoesNotTakeIsCounted(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 32<<10)
	const tokens = 200
	for n := range tokens {
		if _, err := f.verify(f.Sign(f.Claims(api, start), change{"jti": strconv.Itoa(n)})); err != nil {
			t.Fatal(err)
		}
		f.v.cache.store.Wait()
	}
	kept := 0
	f.v.cache.store.IterValues(func(*Token) bool { kept++; return false })
	if got := f.v.cache.Evictions(); got != uint64(tokens-kept) {
		t.Errorf("%d of %d tokens are kept, and %d are counted as dropped", kept, tokens, got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	f := newFixture(t)
	const limit = 64 << 10
	f.v.cache = newTestCache(t, limit)
	for n := range 300 {
		if _, err := f.verify(f.Sign(f.Claims(api, start), change{"jti": strconv.Itoa(n)})); err != nil {
			t.Fatal(err)
		}
		f.v.cache.store.Wait()
		if b := f.v.cache.Bytes(); b > limit {
			t.Fatalf("%d bytes, the limit is %d", b, limit)
		}
	}
	if f.v.cache.Evictions() == 0 {
		t.Error("nothing was evicted")
	}
}

func TestSweepRemovesWhatExpired(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	for n := range 20 {
		if _, err := f.verify(f.Sign(f.Claims(api, start), change{"exp": start.Unix() + int64(n) + 1})); err != nil {
			t.Fatal(err)
		}
	}
	f.v.cache.store.Wait()
	before := f.v.cache.Bytes()
	f.v.cache.sweep(start.Add(12 * time.Second))
	f.v.cache.store.Wait()
	if after := f.v.cache.Bytes(); after*2 != before {
		t.Errorf("%d bytes before, %d after", before, after)
	}
}

func TestHitDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	f.v.cache = newTestCache(t, 0)
	raw := f.Sign(f.Claims(api, start))
	if _, err := f.verify(raw); err != nil {
		t.Fatal(err)
	}
	f.v.cache.store.Wait()
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { _, _, _ = f.v.Verify(ctx, raw, start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCacheEndsWithItsLastUser(t *testing.T) {
	ours := goleak.IgnoreCurrent()
	c := newTestCache(t, 1<<20)
	c.store.Wait()
	for range 100 {
		runtime.GC() // frees the store, whose cleanup closes the cache
		if goleak.Find(ours) == nil {
			return
		}
	}
	t.Error("its goroutines are still there")
}
