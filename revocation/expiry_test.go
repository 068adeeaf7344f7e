package revocation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

// refuses is section 3 of the design without retention.
func refuses(f *revocation.Finding, c *revocation.Credential) bool {
	signedOut := c.AuthTime != 0 && c.AuthTime <= f.SignIn.Through ||
		c.AuthTime == 0 && (f.Session.Through != 0 || c.IssuedAt <= f.SignIn.Through)
	return f.Blocked || f.Finally || signedOut || c.IssuedAt <= f.Refresh.Through
}

// Every credential that can be presented at now: the token lives, is younger
// than the longest lifetime, and its authentication is within some retention,
// however much longer than the one that the records were made with.
func TestNothingReturnsByExpiry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var kept, expiring revocation.Index
		var m revocationtest.Model
		for _, e := range revocationtest.History(t) {
			kept.Apply(e)
			m.Apply(e)
			expiring.Apply(e)
			if rapid.Bool().Draw(t, "expire") {
				expiring.Expire(instant(t))
			}
		}
		now := instant(t)
		expiring.Expire(now)
		for range 8 {
			c := revocationtest.Credential(t)
			if c.ExpiresAt < now || c.IssuedAt > now || issuedAfterItsCut(&m, c) {
				continue
			}
			f, g := find(&kept, c), find(&expiring, c)
			if refuses(&f, c) && !refuses(&g, c) {
				t.Fatalf("at %d %+v\nwas refused by   %+v\nis admitted with %+v", now, c, f, g)
			}
		}
	})
}

// issuedAfterItsCut tells the impossible: a token can be named only once it is
// there.
func issuedAfterItsCut(m *revocationtest.Model, c *revocation.Credential) bool {
	for _, r := range m.Matching(c) {
		if r.Mode == revocation.Final && r.Target.TokenID != "" && c.IssuedAt*1000 > r.Time {
			return true
		}
	}
	return false
}

// A token may be cut with a date before it was issued. It must be refused for
// as long as it lives.
func TestATokenOutlivesABackdatedCutInVain(t *testing.T) {
	const day = 24 * 3600
	accepted := int64(10 * day)
	issued := accepted - 60
	lifetime := 28 * time.Hour
	r := revocation.Record{
		Type: revocation.Cut, Mode: revocation.Final, Target: revocation.Target{Issuer: "i", TokenID: "n"},
		At: (accepted - 20*3600) * 1000, Through: accepted - 20*3600 + 2, Time: accepted * 1000,
		Keep: revocation.KeepFor(revocation.KindToken, revocation.Final, 90*day*time.Second, lifetime),
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	// Another one of the same class keeps the class busy.
	x := apply(entry(1, r), entry(2, revocation.Record{
		Type: revocation.Cut, Mode: revocation.Final, Target: revocation.Target{Issuer: "i", TokenID: "m"},
		At: accepted * 1000, Through: accepted + 2, Time: accepted * 1000, Keep: r.Keep,
	}))
	c := sealed(revocation.Credential{Issuer: "i", TokenID: "n", IssuedAt: issued, ExpiresAt: issued + int64(lifetime/time.Second)})
	for now := accepted; now <= c.ExpiresAt+2; now += 600 {
		x.Expire(now)
		f := find(x, c)
		if !refuses(&f, c) {
			t.Fatalf("admitted %ds after the cut, %ds before it expires", now-accepted, c.ExpiresAt-now)
		}
	}
	if expires, ok := r.Expires(); !ok || expires < c.ExpiresAt {
		t.Errorf("expires %d (%v), the token at %d", expires, ok, c.ExpiresAt)
	}
}

// Records carry their own time to keep: neither a shorter nor a longer
// retention later lets anybody in.
func TestRetentionChangesLater(t *testing.T) {
	const day = 24 * 3600
	user := revocation.Target{Issuer: "i", Subject: "a"}
	cut := func(n uint64, through int64, retention time.Duration) revocation.Entry {
		return entry(n, revocation.Record{
			Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: through,
			Keep: revocation.KeepFor(revocation.KindSubject, revocation.SignIn, retention, 28*time.Hour),
		})
	}
	for name, tt := range map[string]struct {
		history []revocation.Entry
		expire  int64
	}{
		"raised":          {[]revocation.Entry{cut(1, 100*day, 10*day*time.Second)}, 150 * day},
		"lowered":         {[]revocation.Entry{cut(1, 100*day, 90*day*time.Second), cut(2, 90*day, 10*day*time.Second)}, 150 * day},
		"raised in force": {[]revocation.Entry{cut(1, 100*day, 10*day*time.Second), cut(2, 99*day, 90*day*time.Second)}, 150 * day},
	} {
		t.Run(name, func(t *testing.T) {
			x := apply(tt.history...)
			x.Expire(tt.expire)
			for auth, refused := range map[int64]bool{99 * day: true, 100 * day: true, 100*day + 1: false} {
				c := sealed(revocation.Credential{Issuer: "i", Subject: "a", AuthTime: auth, IssuedAt: tt.expire})
				f := find(x, c)
				if refuses(&f, c) != refused {
					t.Errorf("auth_time %d: refused is %v, found %+v", auth, !refused, f)
				}
			}
		})
	}
}

func TestAClockJumpAdmitsNothing(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	x := apply(
		entry(1, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: 1000, Keep: 50}),
		entry(2, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.Refresh, Through: 1000, Keep: 50}),
		entry(3, revocation.Record{Type: revocation.Cut, Target: revocation.Target{Issuer: "i", Session: "s"}, Mode: revocation.SignIn, Through: 1000}),
	)
	if n := x.Expire(1 << 31); n != 2 {
		t.Errorf("%d expired", n)
	}
	for _, c := range []*revocation.Credential{
		sealed(revocation.Credential{Issuer: "i", Subject: "a", AuthTime: 1000, IssuedAt: 1010}),
		sealed(revocation.Credential{Issuer: "i", Subject: "a", IssuedAt: 1000}),
		sealed(revocation.Credential{Issuer: "i", Subject: "a", AuthTime: 1010, IssuedAt: 1000}),
		sealed(revocation.Credential{Issuer: "i", Subject: "a", Session: "s", IssuedAt: 1 << 30}),
	} {
		f := find(x, c)
		if !refuses(&f, c) {
			t.Errorf("%+v is admitted", c)
		}
	}
}

// A horizon as late as a record must not hide the record's name.
func TestTheHorizonNamesNoRecordAndHidesNone(t *testing.T) {
	user := revocation.Target{Issuer: "i", Subject: "a"}
	x := apply(
		entry(1, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: 100, Keep: 10}),
		entry(2, revocation.Record{Type: revocation.Cut, Target: user, Mode: revocation.SignIn, Through: 100, Keep: 9000}),
	)
	x.Expire(500)
	f := find(x, sealed(revocation.Credential{Issuer: "i", Subject: "a"}))
	if f.SignIn.Through != 100 || f.SignIn.Ref.Sequence != 2 {
		t.Errorf("found %+v", f.SignIn)
	}
	f = find(x, sealed(revocation.Credential{Issuer: "i", Subject: "b"}))
	if f.SignIn.Through != 100 || !f.SignIn.Ref.IsZero() {
		t.Errorf("found %+v for another user", f.SignIn)
	}
}

func TestKeepFor(t *testing.T) {
	const retention, lifetime = 90 * 24 * time.Hour, 28 * time.Hour
	forever := map[revocation.Kind]bool{revocation.KindSession: true}
	for _, k := range revocation.Kinds() {
		want := int64(retention / time.Second)
		if forever[k] {
			want = 0
		}
		if got := revocation.KeepFor(k, revocation.SignIn, retention, lifetime); got != want {
			t.Errorf("%s sign_in: %d, want %d", k, got, want)
		}
		if got := revocation.KeepFor(k, revocation.Refresh, retention, lifetime); got != int64(lifetime/time.Second) {
			t.Errorf("%s refresh: %d", k, got)
		}
		want = 0
		if k == revocation.KindToken {
			want = int64(lifetime / time.Second)
		}
		if got := revocation.KeepFor(k, revocation.Final, retention, lifetime); got != want {
			t.Errorf("%s final: %d, want %d", k, got, want)
		}
	}
	if got := revocation.KeepFor(revocation.KindSubject, revocation.SignIn, time.Hour, lifetime); got != int64(lifetime/time.Second) {
		t.Errorf("with a retention below the lifetime of tokens: %d", got)
	}
	if got := revocation.KeepFor(revocation.KindSubject, revocation.SignIn, 1500*time.Millisecond, 0); got != 2 {
		t.Errorf("parts of a second are rounded up: %d", got)
	}
}
