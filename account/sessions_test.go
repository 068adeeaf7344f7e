package account

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
)

func TestSessions(t *testing.T) {
	now := time.UnixMilli(1_000)
	s := Sightings{Now: func() time.Time { return now }}
	token := func(client, session, device string, authTime, iat int64) {
		now = now.Add(time.Second)
		c := &revocation.Credential{
			Issuer: "https://idp", Subject: "alice", Client: client, Session: session, Device: device,
			AuthTime: authTime, IssuedAt: iat, ExpiresAt: iat + 5, TokenID: "jti", Tenant: "contoso", ACR: "mfa", AMR: []string{"pwd", "otp"},
			Scope: []string{"read"}, Audiences: []string{"api"},
		}
		c.Seal()
		s.Note(c)
	}
	token("web", "s1", "pc", 10, 20) // at 2 s
	token("app", "", "phone", 0, 30)
	token("app", "", "tv", 0, 31)
	token("web", "s1", "pc", 40, 50) // at 5 s: signed in again
	token("web", "s1", "pc", 10, 60) // of the sign-in before
	token("web", "s1", "pc", 40, 45) // an earlier token
	s.Note(seen("bob", "web", "s1", "pc"))

	found, incomplete := s.Sessions(Query{Issuer: "https://idp", Subject: "alice", Limit: 10})
	var got []string
	for _, f := range found {
		c := f.Credential
		got = append(got, fmt.Sprintf("%s/%s/%s %d-%d, %d %d %d %s %v",
			c.Client, c.Session, c.Device, f.FirstSeen.Unix(), f.LastSeen.Unix(), c.AuthTime, c.IssuedAt, c.ExpiresAt, c.ACR, c.AMR))
		if c.TokenID != "" || c.Tenant != "" || c.Scope != nil || c.Audiences != nil {
			t.Errorf("it holds more than it says: %+v", c)
		}
		if !(revocation.Target{Issuer: "https://idp", TokenID: "jti"}).Matcher()(&c) {
			t.Error("its token can't be matched any more")
		}
	}
	want := []string{
		"web/s1/pc 2-7, 40 50 55 mfa [pwd otp]",
		"app//tv 4-4, 0 31 36 mfa [pwd otp]",
		"app//phone 3-3, 0 30 35 mfa [pwd otp]",
	}
	if !slices.Equal(got, want) || incomplete {
		t.Errorf("incomplete %v, got\n%q, want\n%q", incomplete, got, want)
	}
	for name, q := range map[string]Query{
		"another client":      {Issuer: "https://idp", Subject: "alice", Client: "tv", Limit: 1},
		"another session":     {Issuer: "https://idp", Subject: "alice", Session: "s2", Limit: 1},
		"another issuer":      {Issuer: "https://other", Subject: "alice", Limit: 1},
		"no subject":          {Issuer: "https://idp", Limit: 1},
		"beyond the last":     {Issuer: "https://idp", Subject: "alice", Before: found[2].Place, Limit: 1},
		"a client's session":  {Issuer: "https://idp", Subject: "alice", Client: "app", Session: "s1", Limit: 1},
		"none at all, please": {Issuer: "https://idp", Subject: "alice"},
	} {
		if found, _ := s.Sessions(q); len(found) > 0 {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

// A clock that is set back makes no session end before it began.
func TestTheClockIsSetBack(t *testing.T) {
	now := time.UnixMilli(60_000)
	s := Sightings{Now: func() time.Time { return now }}
	s.Note(seen("alice", "web", "s1", ""))
	now = time.UnixMilli(1_000)
	s.Note(seen("alice", "web", "s1", ""))
	found, _ := s.Sessions(Query{Issuer: "https://idp", Subject: "alice", Limit: 1})
	if first, last := found[0].FirstSeen.UnixMilli(), found[0].LastSeen.UnixMilli(); first != 60_000 || last != 60_000 {
		t.Errorf("seen from %d to %d", first, last)
	}
}

// modelled is a session in a slow model: a list that is sorted again after each
// note.
type modelled struct {
	newest      revocation.Credential
	first, last int64
}

// For any notes, the pages of an answer hold the sessions that were seen of the
// account, except the oldest beyond the limit.
func TestSessionsAreThoseOfAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			clock int64
			model []*modelled // newest first
			lost  bool
		)
		s := Sightings{Limit: rapid.IntRange(1, 8).Draw(t, "limit"), Now: func() time.Time { return time.UnixMilli(clock) }}
		for range rapid.IntRange(0, 40).Draw(t, "notes") {
			clock += rapid.Int64Range(1, 3).Draw(t, "later")
			c := &revocation.Credential{
				Issuer: "i", Subject: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "sub"),
				Client:   rapid.SampledFrom([]string{"", "c", "d"}).Draw(t, "client"),
				Session:  rapid.SampledFrom([]string{"", "s", "t"}).Draw(t, "sid"),
				Device:   rapid.SampledFrom([]string{"", "p"}).Draw(t, "device"),
				AuthTime: rapid.Int64Range(0, 3).Draw(t, "auth_time"), IssuedAt: rapid.Int64Range(3, 6).Draw(t, "iat"),
			}
			c.Seal()
			s.Note(c)
			m := &modelled{newest: *c, first: clock}
			if i := slices.IndexFunc(model, func(m *modelled) bool { return identityOf(&m.newest) == identityOf(c) }); i >= 0 {
				m = model[i]
				model = slices.Delete(model, i, i+1)
				if c.AuthTime > m.newest.AuthTime || c.AuthTime == m.newest.AuthTime && c.IssuedAt >= m.newest.IssuedAt {
					m.newest = *c
				}
			}
			m.last = clock
			if model = slices.Insert(model, 0, m); len(model) > s.Limit {
				model, lost = model[:s.Limit], true
			}
		}
		q := Query{
			Issuer: "i", Subject: "a", Limit: rapid.IntRange(1, 4).Draw(t, "page"),
			Client: rapid.SampledFrom([]string{"", "c"}).Draw(t, "of client"), Session: rapid.SampledFrom([]string{"", "s"}).Draw(t, "of sid"),
		}
		var want []modelled
		for _, m := range model {
			if m.newest.Subject == "a" && (q.Client == "" || m.newest.Client == "c") && (q.Session == "" || m.newest.Session == "s") {
				want = append(want, *m)
			}
		}
		var got []modelled
		for {
			page, incomplete := s.Sessions(q)
			if incomplete != lost {
				t.Fatalf("incomplete is %v", incomplete)
			}
			for _, f := range page {
				got = append(got, modelled{f.Credential, f.FirstSeen.UnixMilli(), f.LastSeen.UnixMilli()})
			}
			if len(page) == 0 {
				break
			}
			q.Before = page[len(page)-1].Place
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if !slices.IsSortedFunc(got, func(a, b modelled) int { return cmp.Compare(b.last, a.last) }) {
			t.Fatalf("not newest first: %+v", got)
		}
		if r := s.Reach(revocation.Target{Issuer: "i"}, nil); r.Incomplete != lost || len(s.seen) != len(model) {
			t.Fatalf("%d are remembered, want %d; reach %+v", len(s.seen), len(model), r)
		}
	})
}
