package account

import (
	"fmt"
	"runtime"
	"testing"

	"curfew.dev/curfew/revocation"
)

// usual is a credential as providers send them: a session of a browser at one
// of a few clients.
func usual(i int) *revocation.Credential {
	c := &revocation.Credential{
		Issuer: "https://login.example.com", Subject: fmt.Sprintf("%036d", i), Client: fmt.Sprint("web-app-", i%8),
		Session: fmt.Sprintf("sid-%032d", i), Device: fmt.Sprintf("device-%029d", i/2), Tenant: "contoso", TokenID: "jti", KeyID: "kid",
		ACR: "urn:example:acr:mfa", AMR: []string{"pwd", "mfa"}, AuthTime: 1, IssuedAt: 2, ExpiresAt: 3,
	}
	c.Seal()
	return c
}

// full returns Sightings at the limit, which have forgotten as many sessions as
// they hold.
func full(limit int) *Sightings {
	s := &Sightings{Limit: limit}
	for i := range 2 * limit {
		s.Note(usual(i))
	}
	return s
}

// docs/performance.md gives the memory of sightings.
func TestMemoryIsBounded(t *testing.T) {
	const limit = DefaultSightings / 10
	alive := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := alive()
	s := full(limit)
	each := float64(alive()-before) / limit
	runtime.KeepAlive(s)
	t.Logf("%.0f bytes for each", each)
	if each > 1000 {
		t.Error("a sighting takes more than a kilobyte")
	}
}

func BenchmarkNote(b *testing.B) {
	s, known := full(DefaultSightings), make([]*revocation.Credential, 1<<13)
	for i := range known {
		known[i] = usual(DefaultSightings + i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Note(known[i%len(known)])
	}
}

func BenchmarkSessions(b *testing.B) {
	s := full(DefaultSightings)
	q := Query{Issuer: "https://login.example.com", Subject: usual(DefaultSightings).Subject, Limit: 101}
	b.ReportAllocs()
	for b.Loop() {
		if found, _ := s.Sessions(q); len(found) != 1 {
			b.Fatalf("found %d", len(found))
		}
	}
}
