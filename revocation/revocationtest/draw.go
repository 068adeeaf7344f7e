package revocationtest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
)

// Start is the first instant that is drawn, in Unix seconds; Span is how many
// seconds later the last one is.
const (
	Start = 1_800_000_000
	Span  = 12
)

// The settings that histories are drawn with: short enough for cuts to expire
// within the span.
var (
	Retentions = []time.Duration{5 * time.Second, 8 * time.Second}
	Lifetimes  = []time.Duration{2 * time.Second, 4 * time.Second}
)

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func instant(t *rapid.T, label string) int64 { return Start + rapid.Int64Range(0, Span).Draw(t, label) }

// Credential draws a sealed credential; half of its facts are absent.
func Credential(t *rapid.T) *revocation.Credential {
	c := &revocation.Credential{
		Issuer: pick(t, "iss", "i", "j"), Subject: pick(t, "sub", "a", "b"), Client: pick(t, "client", "", "web", "console"),
		Session: pick(t, "sid", "", "s"), Device: pick(t, "device", "", "d"), Tenant: pick(t, "tenant", "", "t"),
		TokenID: pick(t, "jti", "", "n"), KeyID: pick(t, "kid", "k", "l"), JKT: pick(t, "jkt", "", "p"),
		X5TS256: pick(t, "x5t", "", "x"), ACR: pick(t, "acr", "", "low", "high"),
		IssuedAt: instant(t, "iat"), AuthTime: pick(t, "auth_time", 0, instant(t, "auth_time value")),
	}
	c.ExpiresAt = c.IssuedAt + int64(pick(t, "lifetime", Lifetimes...)/time.Second)
	if rapid.Bool().Draw(t, "mfa") {
		c.AMR = []string{"pwd", "mfa"}
	}
	c.Seal()
	return c
}

// Target draws a target of any kind, that Credential can match.
func Target(t *rapid.T) revocation.Target {
	whole := revocation.Target{
		Issuer: pick(t, "iss", "i", "j"), Subject: pick(t, "sub", "a", "b"), Client: pick(t, "client", "web", "console"),
		Session: "s", Device: "d", Tenant: "t", TokenID: "n", SignedBy: pick(t, "kid", "k", "l"), JKT: "p", X5TS256: "x",
	}
	return Part(whole, pick(t, "kind", revocation.Kinds()...))
}

// Part is the members of a target that make it one of kind k.
func Part(whole revocation.Target, k revocation.Kind) revocation.Target {
	t := revocation.Target{Issuer: whole.Issuer}
	switch k {
	case revocation.KindSubject:
		t.Subject = whole.Subject
	case revocation.KindSubjectClient:
		t.Subject, t.Client = whole.Subject, whole.Client
	case revocation.KindSubjectDevice:
		t.Subject, t.Device = whole.Subject, whole.Device
	case revocation.KindSubjectDeviceClient:
		t.Subject, t.Device, t.Client = whole.Subject, whole.Device, whole.Client
	case revocation.KindSession:
		t.Session = whole.Session
	case revocation.KindToken:
		t.TokenID = whole.TokenID
	case revocation.KindProofKey:
		t = revocation.Target{JKT: whole.JKT}
	case revocation.KindCertificate:
		t = revocation.Target{X5TS256: whole.X5TS256}
	case revocation.KindDevice:
		t.Device = whole.Device
	case revocation.KindTenant:
		t.Tenant = whole.Tenant
	case revocation.KindClient:
		t.Client = whole.Client
	case revocation.KindSigningKey:
		t.SignedBy = whole.SignedBy
	}
	return t
}

// Record draws a valid record. A lift names one of the first entries of a
// history, whether that is a block, something else or not there.
func Record(t *rapid.T) revocation.Record {
	r := revocation.Record{Type: pick(t, "type",
		revocation.Cut, revocation.Cut, revocation.Cut, revocation.Block, revocation.StepUp, revocation.Lift, revocation.Genesis)}
	switch r.Type {
	case revocation.Genesis:
		r.Through = pick(t, "through", 0, instant(t, "through value"))
		return r
	case revocation.Lift:
		r.Lifts = revocation.Ref{
			Position: revocation.Position{Epoch: 1, Sequence: rapid.Uint64Range(1, 6).Draw(t, "lifts")},
			Item:     rapid.Uint16Range(0, 1).Draw(t, "lifts item"),
		}
		return r
	}
	r.Target = Target(t)
	r.Through = instant(t, "through")
	r.At = r.Through * 1000
	kind, _ := r.Target.Kind()
	switch r.Type {
	case revocation.Cut:
		r.Mode = pick(t, "mode", revocation.SignIn, revocation.Refresh, revocation.Final)
		r.Time = r.At + pick[int64](t, "delay", 0, 1500)
		r.Keep = revocation.KeepFor(kind, r.Mode, pick(t, "retention", Retentions...), slices.Max(Lifetimes))
	case revocation.StepUp:
		r.ACR = pick(t, "acr", nil, []string{"high"}, []string{"high", "low"})
		r.AMR = pick(t, "amr", nil, []string{"mfa"})
		r.Sensitive = rapid.Bool().Draw(t, "sensitive")
	}
	if kind.UserWide() {
		r.ExemptClients = pick(t, "exempt", nil, []string{"console"}, []string{"console", "web"})
	}
	return r
}

// History draws entries of one or two records, at consecutive positions.
func History(t *rapid.T) []revocation.Entry {
	n := rapid.IntRange(0, 12).Draw(t, "entries")
	entries := make([]revocation.Entry, n)
	for i := range entries {
		entries[i].Position = revocation.Position{Epoch: 1, Sequence: uint64(i + 1)}
		for range rapid.IntRange(1, 2).Draw(t, "records") {
			entries[i].Records = append(entries[i].Records, Record(t))
		}
	}
	return entries
}

// Restated draws entries of a later epoch that state records of a history
// again: any of them, in any order, any number of times, by the ref they first
// had.
func Restated(t *rapid.T, history []revocation.Entry) []revocation.Entry {
	var all []revocation.Record
	for _, e := range history {
		for i, r := range e.Records {
			r.Origin = r.RefAt(revocation.Ref{Position: e.Position, Item: uint16(i)})
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil
	}
	entries := make([]revocation.Entry, rapid.IntRange(0, 8).Draw(t, "restated"))
	for i := range entries {
		entries[i].Position = revocation.Position{Epoch: 2, Sequence: uint64(i + 1)}
		entries[i].Records = rapid.SliceOfN(rapid.SampledFrom(all), 1, 4).Draw(t, "restated records")
	}
	return entries
}
