package micro

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
	"curfew.dev/curfew/token/tokentest"
)

// desk decides as a guard does, without Caddy: from the bytes of a token to the
// verdict.
type desk struct {
	issuer   *tokentest.Issuer
	verifier *token.Verifier
	index    revocation.Index
	required policy.Requirements
	rules    *revocation.Issuer
	applied  uint64
	now      time.Time
}

const issuerURL = "https://login.example.com"

func newDesk(b testing.TB, entries int, cacheBytes int64) *desk {
	b.Helper()
	age := 10 * time.Minute
	d := &desk{
		issuer: tokentest.New(b, issuerURL), now: time.Now(),
		required: policy.Requirements{ACR: [][]string{{"mfa"}}, MaxAge: &age, Scope: []string{"read"}},
		rules:    &revocation.Issuer{ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour},
	}
	cache, err := token.NewCache(cacheBytes)
	if err != nil {
		b.Fatal(err)
	}
	keys := token.NewKeySet(issuerURL, token.KeySetOptions{Transport: d.issuer.Transport()})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { keys.Run(ctx) })
	b.Cleanup(func() { stop(); running.Wait() })
	for deadline := time.Now().Add(time.Minute); !keys.Ready(time.Now(), time.Hour); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("no keys")
		}
	}
	d.verifier, err = token.NewVerifier(token.VerifierConfig{
		Issuers: []token.IssuerKeys{{Issuer: token.Issuer{Issuer: revocation.Issuer{URL: issuerURL}, Audiences: []string{"api"}}, Keys: keys}}, Cache: cache,
	})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < entries; n += 1000 {
		d.apply(min(1000, entries-n))
	}
	return d
}

// apply folds cuts into the index, of users who send no request.
func (d *desk) apply(n int) {
	records := make([]revocation.Record, n)
	for i := range records {
		records[i] = revocation.Record{
			Type: revocation.Cut, Mode: revocation.SignIn, Through: 1000, Keep: 7_776_000,
			Target: revocation.Target{Issuer: issuerURL, Subject: "revoked-" + strconv.FormatUint(d.applied, 10) + "-" + strconv.Itoa(i)},
		}
	}
	d.applied++
	d.index.Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: d.applied}, Records: records})
}

func (d *desk) tokens(n int) []*http.Request {
	claims := d.issuer.Claims("api", d.now)
	requests := make([]*http.Request, n)
	for i := range requests {
		raw := d.issuer.Sign(claims, tokentest.Claims{
			"sub": "user-" + strconv.Itoa(i), "scope": "read", "acr": "mfa", "auth_time": d.now.Unix() - 60,
		})
		requests[i] = request(raw)
	}
	return requests
}

// decide does the work of a guard between the request and its identity headers.
func (d *desk) decide(r *http.Request, c *policy.Case) error {
	raw, _, err := token.Sources(nil).Extract(r)
	if err != nil {
		return err
	}
	now := time.Now()
	t, _, err := d.verifier.Verify(r.Context(), raw, now)
	if err != nil {
		return err
	}
	*c = policy.Case{Credential: &t.Credential, Requirements: &d.required, Issuer: d.rules, Now: now.Unix()}
	if generation := d.index.Generation() + 1; t.Clean.Load() != generation {
		if d.index.Find(c.Credential, &c.Finding); c.Finding.Clear() {
			t.Clean.Store(generation)
		}
	}
	if v := c.Decide(); !v.Admits() {
		return fmt.Errorf("refused: %s", v.Reason)
	}
	return nil
}

// warm decides about every request until all of their tokens are cached.
func (d *desk) warm(b testing.TB, requests []*http.Request) {
	b.Helper()
	var c policy.Case
	for range 3 {
		for i, r := range requests {
			if err := d.decide(r, &c); err != nil {
				b.Fatal(err)
			}
			if i%1000 == 0 {
				time.Sleep(time.Millisecond) // the cache adds tokens in another goroutine
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestHotDecisionDoesNotAllocate(t *testing.T) {
	d := newDesk(t, 1000, 0)
	requests := d.tokens(1)
	d.warm(t, requests)
	var c policy.Case
	if n := allocations(func() {
		if err := d.decide(requests[0], &c); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("a hot decision takes %v allocations, want none", n)
	}
}

// BenchmarkDecision has two cases. In hot, the token was clean at this
// generation of the index. In changed, the decision must look into the index
// again.
func BenchmarkDecision(b *testing.B) {
	for _, entries := range sizes() {
		d := newDesk(b, entries, 0)
		requests := d.tokens(1)
		d.warm(b, requests)
		run := func(name string, forget bool) {
			b.Run(fmt.Sprintf("%s/entries=%d", name, entries), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					var c policy.Case
					for pb.Next() {
						if forget {
							t, _, _ := d.verifier.Verify(context.Background(), requests[0].Header["Authorization"][0][len("Bearer "):], d.now)
							t.Clean.Store(0)
						}
						if err := d.decide(requests[0], &c); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
		run("hot", false)
		run("changed", true)
	}
}

// BenchmarkDecisionTokens is the hot decision over many distinct tokens, in a
// cache that holds them all.
func BenchmarkDecisionTokens(b *testing.B) {
	for _, n := range tokenCounts() {
		d := newDesk(b, 0, max(64<<20, int64(n)*4096))
		requests := d.tokens(n)
		d.warm(b, requests)
		b.Run("tokens="+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			var c policy.Case
			i := 0
			for b.Loop() {
				if err := d.decide(requests[i], &c); err != nil {
					b.Fatal(err)
				}
				if i += 7919; i >= n { // not in the order in which they were made
					i %= n
				}
			}
		})
	}
}

// BenchmarkDecisionWhileApplying reports the longest times of decisions while
// 10,000 entries a second change the index.
func BenchmarkDecisionWhileApplying(b *testing.B) {
	d := newDesk(b, sizes()[1], 0)
	requests := d.tokens(1)
	d.warm(b, requests)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				for range 10 {
					d.apply(1)
				}
			}
		}
	})
	took := make([]time.Duration, 0, 1<<20)
	var c policy.Case
	for b.Loop() {
		started := time.Now()
		if err := d.decide(requests[0], &c); err != nil {
			b.Fatal(err)
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(started))
		}
	}
	close(stop)
	writer.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*999/1000]), "p99.9-ns")
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
}
