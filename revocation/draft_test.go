package revocation_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

const day = 24 * time.Hour

// configured has an issuer with everything and one with little.
func configured() revocation.Issuers {
	return revocation.Issuers{
		"i": {
			URL: "i", ClockSkew: 2 * time.Second, Retention: 90 * day, MaxTokenLifetime: 28 * time.Hour,
			DeviceClaim: "device_id", TenantClaim: "org_id", ExemptClients: []string{"tv", "console", "tv"}, MachineClients: []string{"batch"},
		},
		"j": {
			URL: "j", ClockSkew: 5 * time.Second, Retention: 30 * day, MaxTokenLifetime: 48 * time.Hour,
			OnlyClients: func() []string { return []string{"web"} },
		},
	}
}

var written = time.Unix(revocationtest.Start, 123_456_789)

func observed() *revocation.Observed { return &revocation.Observed{Now: written} }

func TestADraftGetsTheDefaultsOfItsTarget(t *testing.T) {
	at := written.Truncate(time.Millisecond)
	days := func(n int) int64 { return int64(n) * 24 * 3600 }
	for name, c := range map[string]struct {
		target  revocation.Target
		mode    revocation.Mode
		want    revocation.Mode
		through int64
		keep    int64
		exempt  []string
	}{
		"a user":             {revocation.Target{Issuer: "i", Subject: "a"}, 0, revocation.SignIn, at.Unix() + 2, days(90), []string{"console", "tv"}},
		"a user, refresh":    {revocation.Target{Issuer: "i", Subject: "a"}, revocation.Refresh, revocation.Refresh, at.Unix() + 2, 28 * 3600, []string{"console", "tv"}},
		"another issuer":     {revocation.Target{Issuer: "j", Subject: "a"}, 0, revocation.SignIn, at.Unix() + 5, days(30), nil},
		"a session":          {revocation.Target{Issuer: "i", Session: "s"}, 0, revocation.SignIn, at.Unix() + 2, 0, nil},
		"a device":           {revocation.Target{Issuer: "i", Subject: "a", Device: "d"}, 0, revocation.SignIn, at.Unix() + 2, days(90), nil},
		"a token":            {revocation.Target{Issuer: "i", TokenID: "t"}, 0, revocation.Final, at.Unix() + 2, 28 * 3600, nil},
		"a signing key":      {revocation.Target{Issuer: "i", SignedBy: "k"}, 0, revocation.Final, at.Unix() + 2, 0, nil},
		"a bound key":        {revocation.Target{JKT: "p"}, 0, revocation.Final, at.Unix() + 5, 0, nil},
		"a key, by sign-in":  {revocation.Target{JKT: "p"}, revocation.SignIn, revocation.SignIn, at.Unix() + 5, days(90), nil},
		"a key, by refresh":  {revocation.Target{X5TS256: "x"}, revocation.Refresh, revocation.Refresh, at.Unix() + 5, 48 * 3600, nil},
		"a tenant":           {revocation.Target{Issuer: "i", Tenant: "o"}, 0, revocation.SignIn, at.Unix() + 2, days(90), []string{"console", "tv"}},
		"a client":           {revocation.Target{Issuer: "j", Client: "web"}, 0, revocation.SignIn, at.Unix() + 5, days(30), nil},
		"everyone of issuer": {revocation.Target{Issuer: "i"}, 0, revocation.SignIn, at.Unix() + 2, days(90), []string{"console", "tv"}},
	} {
		d := revocation.Draft{Type: revocation.Cut, Target: c.target, Mode: c.mode, Author: revocation.Author{Source: "cli", Actor: "root", Reason: "lost"}}
		r, err := d.Record(configured(), observed())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Mode != c.want || r.At != at.UnixMilli() || r.Through != c.through || r.Keep != c.keep || !slices.Equal(r.ExemptClients, c.exempt) {
			t.Errorf("%s: %+v", name, r)
		}
		if r.Time != written.UnixMilli() || r.Source != "cli" || r.Actor != "root" || r.Reason != "lost" {
			t.Errorf("%s: the audit is %+v", name, r)
		}
		d.IncludeExempt = true
		if r, err := d.Record(configured(), observed()); err != nil || r.ExemptClients != nil {
			t.Errorf("%s with exempt clients: %+v %v", name, r, err)
		}
	}
}

func TestCutsOutliveTheLongestBrowserSession(t *testing.T) {
	const url, day = "https://login.example.com", 24 * time.Hour
	all := revocation.Issuers{url: {URL: url, Retention: 90 * day, MaxTokenLifetime: 28 * time.Hour, SessionLifetime: 30 * day}}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for name, d := range map[string]revocation.Draft{
		"one session": {Target: revocation.Target{Issuer: url, TokenID: "cs_1"}},
		"by iat":      {Target: revocation.Target{Issuer: url, Subject: "alice"}, Mode: revocation.Refresh},
	} {
		d.Type = revocation.Cut
		r, err := d.Record(all, &revocation.Observed{Now: now})
		if err != nil || r.Keep != int64(30*day/time.Second) {
			t.Errorf("%s: kept for %d s, %v", name, r.Keep, err)
		}
	}
	if all[url].Expired(&revocation.Credential{IssuedAt: now.Unix(), ExpiresAt: now.Add(30 * day).Unix()}, now.Add(29*day)) {
		t.Error("a session that is still admitted counts as expired")
	}
}

func TestADeviceCanBeTargetedWhereBrowsersSignIn(t *testing.T) {
	const url = "https://login.example.com"
	d := revocation.Draft{Type: revocation.Cut, Target: revocation.Target{Issuer: url, Subject: "alice", Device: "cd_1"}}
	for lifetime, ok := range map[time.Duration]bool{0: false, time.Hour: true} {
		all := revocation.Issuers{url: {URL: url, Retention: time.Hour, MaxTokenLifetime: time.Hour, SessionLifetime: lifetime}}
		if _, err := d.Record(all, &revocation.Observed{Now: time.Unix(1_800_000_000, 0)}); ok != (err == nil) {
			t.Errorf("%s: %v", lifetime, err)
		}
	}
}

func TestADraftIsRefusedWithTheMemberAtFault(t *testing.T) {
	cut := func(target revocation.Target, change func(*revocation.Draft)) revocation.Draft {
		d := revocation.Draft{Type: revocation.Cut, Target: target}
		if change != nil {
			change(&d)
		}
		return d
	}
	alice := revocation.Target{Issuer: "i", Subject: "a"}
	final := func(d *revocation.Draft) { d.Mode = revocation.Final }
	stepUp := func(change func(*revocation.Draft)) revocation.Draft {
		d := cut(alice, change)
		d.Type = revocation.StepUp
		return d
	}
	for name, c := range map[string]struct {
		draft  revocation.Draft
		fault  revocation.Fault
		member string
		detail string
	}{
		"no target":             {cut(revocation.Target{}, nil), revocation.InvalidTarget, "target", "names nobody"},
		"a bad combination":     {cut(revocation.Target{Issuer: "i", Session: "s", TokenID: "t"}, nil), revocation.InvalidTarget, "target", "nearest"},
		"a long member":         {cut(revocation.Target{Issuer: "i", Subject: strings.Repeat("a", 256)}, nil), revocation.InvalidTarget, "target", "255"},
		"an unknown issuer":     {cut(revocation.Target{Issuer: "k"}, nil), revocation.UnknownIssuer, "target.iss", "i, j"},
		"no devices":            {cut(revocation.Target{Issuer: "j", Device: "d"}, nil), revocation.Unenforceable, "target.device_id", "device_claim"},
		"no organisations":      {cut(revocation.Target{Issuer: "j", Tenant: "o"}, nil), revocation.Unenforceable, "target.tenant", "tenant_claim"},
		"a client of no token":  {cut(revocation.Target{Issuer: "j", Client: "app"}, nil), revocation.Unenforceable, "target.client_id", "web"},
		"a user for good":       {cut(alice, final), revocation.InvalidMode, "mode", "use a block"},
		"a token by sign-in":    {cut(revocation.Target{Issuer: "i", TokenID: "t"}, func(d *revocation.Draft) { d.Mode = revocation.SignIn }), revocation.InvalidMode, "mode", "final"},
		"a mode of no name":     {cut(alice, func(d *revocation.Draft) { d.Mode = 9 }), revocation.InvalidMode, "mode", "sign_in"},
		"a dated final cut":     {cut(revocation.Target{JKT: "p"}, func(d *revocation.Draft) { d.At = written.Add(-time.Hour) }), revocation.InvalidMode, "at", "leave it out"},
		"the future":            {cut(alice, func(d *revocation.Draft) { d.At = written.Add(3 * time.Second) }), revocation.InvalidValue, "at", "future"},
		"before retention":      {cut(alice, func(d *revocation.Draft) { d.At = written.Add(-91 * day) }), revocation.InvalidValue, "at", "signed out already"},
		"a forged line":         {cut(alice, func(d *revocation.Draft) { d.Reason = "a\nb" }), revocation.InvalidValue, "reason", "control"},
		"a long reason":         {cut(alice, func(d *revocation.Draft) { d.Reason = strings.Repeat("a", 1025) }), revocation.InvalidValue, "reason", "1024"},
		"a long name":           {cut(alice, func(d *revocation.Draft) { d.OnBehalfOf = strings.Repeat("a", 256) }), revocation.InvalidValue, "on_behalf_of", "255"},
		"an empty acr":          {stepUp(func(d *revocation.Draft) { d.ACR = []string{""} }), revocation.InvalidValue, "acr", "1 to 255"},
		"a quoted amr":          {stepUp(func(d *revocation.Draft) { d.AMR = []string{`"`} }), revocation.InvalidValue, "amr", "ASCII"},
		"a step-up with a mode": {stepUp(final), revocation.InvalidMode, "mode", "leave it out"},
		"a dated step-up":       {stepUp(func(d *revocation.Draft) { d.At = written }), revocation.InvalidValue, "at", "leave it out"},
		"a step-up of exempt":   {stepUp(func(d *revocation.Draft) { d.IncludeExempt = true }), revocation.InvalidValue, "include_exempt", "leave it out"},
		"17 values of acr":      {stepUp(func(d *revocation.Draft) { d.ACR = slices.Repeat([]string{"mfa"}, 17) }), revocation.InvalidValue, "acr", "at most 16"},
		"17 values of amr":      {stepUp(func(d *revocation.Draft) { d.AMR = slices.Repeat([]string{"mfa"}, 17) }), revocation.InvalidValue, "amr", "at most 16"},
		"a cut that demands":    {cut(alice, func(d *revocation.Draft) { d.ACR = []string{"mfa"} }), revocation.InvalidValue, "type", "step-up"},
		"a lift":                {revocation.Draft{Type: revocation.Lift, Target: alice}, revocation.InvalidValue, "type", "block"},
		"no type":               {revocation.Draft{Target: alice}, revocation.InvalidValue, "type", "block"},
	} {
		_, err := c.draft.Record(configured(), observed())
		var refused *revocation.DraftError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if refused.Fault != c.fault || refused.Member != c.member || !strings.Contains(refused.Detail, c.detail) {
			t.Errorf("%s: fault %d of %q, %q", name, refused.Fault, refused.Member, refused.Detail)
		}
	}
}

// A clock that stands before 1970, or a clock skew of decades, is not written.
func TestADraftThatNoRecordCanHoldIsRefused(t *testing.T) {
	d := revocation.Draft{Type: revocation.Cut, Target: revocation.Target{Issuer: "i", Subject: "a"}}
	for name, now := range map[string]time.Time{"before 1970": time.Unix(-1000, 0), "after 2106": time.Unix(math.MaxUint32+1, 0)} {
		var refused *revocation.DraftError
		if _, err := d.Record(configured(), &revocation.Observed{Now: now}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "clock") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADraftIsNoEarlierThanWhatWasObserved(t *testing.T) {
	later := written.Add(time.Hour)
	o := observed()
	o.Instant = func(issuer string) time.Time {
		if issuer == "i" {
			return later
		}
		return written
	}
	for typ, want := range map[revocation.Type]int64{revocation.Cut: later.UnixMilli(), revocation.StepUp: later.UnixMilli(), revocation.Block: 0} {
		d := revocation.Draft{Type: typ, Target: revocation.Target{Issuer: "i", Subject: "a"}}
		r, err := d.Record(configured(), o)
		if err != nil || r.At != want || r.Time != written.UnixMilli() {
			t.Errorf("%s: at %d, want %d: %v", typ, r.At, want, err)
		}
	}
}

// drawn is a draft of any type without a date, and what is observed with it.
func drawn(t *rapid.T) (revocation.Draft, *revocation.Observed) {
	d := revocation.Draft{
		Type:   rapid.SampledFrom([]revocation.Type{revocation.Cut, revocation.Block, revocation.StepUp}).Draw(t, "type"),
		Target: revocationtest.Target(t),
	}
	if d.Type == revocation.Cut {
		d.Mode = rapid.SampledFrom([]revocation.Mode{0, 0, revocation.SignIn, revocation.Refresh, revocation.Final}).Draw(t, "mode")
		d.IncludeExempt = rapid.Bool().Draw(t, "include_exempt")
	}
	if d.Type == revocation.StepUp {
		d.ACR = rapid.SampledFrom([][]string{nil, {"mfa"}, {"mfa", "phr"}}).Draw(t, "acr")
		d.Sensitive = rapid.Bool().Draw(t, "sensitive")
	}
	o := &revocation.Observed{Now: time.UnixMilli(revocationtest.Start*1000 + rapid.Int64Range(0, 1e12).Draw(t, "now"))}
	facts := revocation.Facts(rapid.Uint64Range(0, 1<<48-1).Draw(t, "facts"))
	o.Facts = func(string) revocation.Facts { return facts }
	return d, o
}

// A draft without a date and a mode always gives a record, unless the issuer's
// tokens can't match its target; and every record that a draft gives is valid.
func TestADraftWithoutADateAlwaysGivesAValidRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, o := drawn(t)
		all := configured()
		all["j"].DeviceClaim, all["j"].TenantClaim, all["j"].OnlyClients = "d", "t", nil
		r, err := d.Record(all, o)
		if err != nil {
			var refused *revocation.DraftError
			if d.Mode == 0 || !errors.As(err, &refused) || refused.Fault != revocation.InvalidMode {
				t.Fatalf("%+v: %v", d, err)
			}
			return
		}
		if err := r.Validate(); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		for _, l := range r.Limits {
			if !slices.Contains(r.PossibleLimits(), l) {
				t.Fatalf("the limit %s is not among %v", l, r.PossibleLimits())
			}
		}
	})
}

// A record of a draft refuses every credential of its target from before the
// draft, and a date only takes credentials out.
func TestADatedCutRefusesNoMoreThanOneOfNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := revocation.Draft{
			Type: revocation.Cut, Target: revocation.Target{Issuer: "i", Subject: "a"},
			Mode: rapid.SampledFrom([]revocation.Mode{revocation.SignIn, revocation.Refresh}).Draw(t, "mode"),
		}
		now, err := d.Record(configured(), observed())
		if err != nil {
			t.Fatal(err)
		}
		d.At = written.Add(-time.Duration(rapid.Int64Range(int64(-2*time.Second), int64(90*day)-1e6).Draw(t, "back")))
		dated, err := d.Record(configured(), observed())
		if err != nil {
			t.Fatal(err)
		}
		if dated.At > now.At || dated.Through > now.Through || dated.Keep != now.Keep {
			t.Fatalf("dated %+v, now %+v", dated, now)
		}
	})
}

func TestALiftAndAGenesisAreValid(t *testing.T) {
	by := revocation.Author{Source: "genesis", RequestID: "r"}
	for name, c := range map[string]struct {
		record  revocation.Record
		through int64
	}{
		"lift":                          {revocation.NewLift(by, written, revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 2}}), 0},
		"genesis":                       {revocation.NewGenesis(by, written, time.Time{}, time.Second), 0},
		"genesis that signs out":        {revocation.NewGenesis(by, written, written, time.Second), written.Unix() + 1},
		"horizon of an issuer, sign-in": {revocation.NewHorizon(by, written, revocation.HorizonOf{Issuer: "i", Mode: revocation.SignIn}, 7), 7},
	} {
		r := c.record
		if err := r.Validate(); err != nil || r.Through != c.through || r.Time != written.UnixMilli() || r.RequestID != "r" {
			t.Errorf("%s: %v %+v", name, err, r)
		}
		if strings.HasPrefix(name, "horizon") != r.IsHorizon() {
			t.Errorf("%s: states a horizon: %t", name, r.IsHorizon())
		}
	}
}
