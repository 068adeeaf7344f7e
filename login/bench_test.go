package login

import (
	"net/http"
	"testing"
	"time"

	"curfew.dev/curfew/internal/seal"
)

// sealedSession is a sign-in, and a cookie of it as a provider with sid, acr and
// amr causes it.
func sealedSession(tb testing.TB) (all *SignIns, cookie string, now time.Time) {
	tb.Helper()
	config, deps := fuzzed(seal.Keys{seal.RandomKey()})
	config.Claims = []Claim{{Name: "groups", Values: []string{"staff"}}}
	all, err := New(deps, config)
	if err != nil {
		tb.Fatal(err)
	}
	now = time.Unix(1_800_000_000, 0)
	cookie, err = all.Named("staff").seal(&facts{
		SignIn: "staff", Issuer: providerURL, Client: "curfew-web", Subject: "f47ac10b-58cc-4372-a567-0e02b2c3d479", ID: "cs_" + newSecret(16),
		SID: newSecret(16), Device: "cd_" + newSecret(16), Tenant: "tenant-1", KeyID: "key-1", IssuedAt: now.Unix(), AuthTime: now.Unix(),
		Expires: now.Unix() + 43200, Sealed: now.Unix(), ACR: "phr", AMR: []string{"pwd", "otp"}, Scope: []string{"openid", "profile", "email"},
		Person: "Alice Example", Claims: []sealedClaim{{"groups", []string{digest6("staff")}, `["staff"]`}},
	}, appHost, now)
	if err != nil {
		tb.Fatal(err)
	}
	return all, cookie, now
}

func TestOpeningARememberedSessionDoesNotAllocate(t *testing.T) {
	all, cookie, now := sealedSession(t)
	if _, _, problem := all.Open(cookie, appHost, now); problem != Fine {
		t.Fatal(problem)
	}
	all.cache.store.Wait()
	h := http.Header{"Cookie": {secureCookies.Session + "=" + cookie}}
	if n := testing.AllocsPerRun(1000, func() {
		value, _ := Read(h, secureCookies.Session)
		if s, hit, _ := all.Open(value, appHost, now); !hit || s.Due(now) {
			t.Error("not remembered")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOpen(b *testing.B) {
	all, cookie, now := sealedSession(b)
	b.Run("hot", func(b *testing.B) {
		all.Open(cookie, appHost, now)
		all.cache.store.Wait()
		b.ReportAllocs()
		for b.Loop() {
			if _, hit, _ := all.Open(cookie, appHost, now); !hit {
				b.Fatal("not remembered")
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, problem := all.open(all.keys.at(now), cookie, appHost, now); problem != Fine {
				b.Fatal(problem)
			}
		}
		b.ReportMetric(float64(len(cookie)), "cookie-bytes")
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				all.Open(cookie, appHost, now)
			}
		})
	})
}

// BenchmarkSignIn is the whole way: both redirects, and a provider in process that
// signs with ES256.
func BenchmarkSignIn(b *testing.B) {
	w := newWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		browser := w.browser("alice")
		if p := browser.step(browser.stepTo(app + "/")); p.status != http.StatusSeeOther || p.header.Get("Location") != "/" {
			b.Fatal(p.status, p.body)
		}
	}
}
