package revocation

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParsePosition(t *testing.T) {
	for s, want := range map[string]Position{
		"0.0": {}, "7.1042": {7, 1042}, "18446744073709551615.18446744073709551615": {1<<64 - 1, 1<<64 - 1},
	} {
		if got, err := ParsePosition(s); err != nil || got != want || got.String() != s {
			t.Errorf("%q is %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ".", "7", "7.", ".7", "7.1.2", "07.1", "7.01", "+7.1", "7.-1", " 7.1", "7.1 ", "7,1", "0x7.1", "1_0.1", "18446744073709551616.1", "7.１"} {
		if got, err := ParsePosition(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestParseID(t *testing.T) {
	ref := Ref{Position{7, 1042}, 3}
	for _, typ := range []Type{Genesis, Cut, Block, StepUp, Lift} {
		if got, err := ParseID(typ, ref.ID(typ)); err != nil || got != ref {
			t.Errorf("%s: %v, %v", typ, got, err)
		}
	}
	for _, s := range []string{"", "rev_", "7.1042.3", "blk_7.1042.3", "rev_7.1042", "rev_7.1042.", "rev_7.1042.65536", "rev_7.1042.03", "REV_7.1042.3", "rev_rev_7.1042.3", "rev_7.1042.3 ", "rev_.3"} {
		if got, err := ParseID(Cut, s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("7.1042")
	f.Add("+1.1")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePosition(s); err == nil && p.String() != s {
			t.Fatalf("%q is %s", s, p)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("rev_7.1042.0")
	f.Add("blk_7.1042.0")
	f.Add("rev_..")
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []Type{Cut, Block, StepUp, Lift} {
			if ref, err := ParseID(typ, s); err == nil && ref.ID(typ) != s {
				t.Fatalf("%q is %s", s, ref.ID(typ))
			}
		}
	})
}

func TestCompareOrdersByEpochSequenceItem(t *testing.T) {
	ordered := []Ref{{}, {Item: 1}, {Position: Position{0, 1}}, {Position: Position{1, 0}}, {Position{1, 2}, 0}, {Position{1, 2}, 9}, {Position: Position{2, 1}}}
	for i, a := range ordered {
		for j, b := range ordered {
			got := a.Compare(b)
			if (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range []Mode{SignIn, Refresh, Final} {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("%s: %v, %v", m, got, err)
		}
	}
	for _, s := range []string{"", "SIGN_IN", "signin", "sign_in "} {
		if _, err := ParseMode(s); err == nil {
			t.Errorf("%q is a mode", s)
		}
	}
	if Mode(9).String() != "" || Type(99).String() != "invalid" || Kind(99).String() != "invalid" {
		t.Error("what doesn't exist has a name")
	}
}

func TestTargetKinds(t *testing.T) {
	whole := Target{
		Issuer: "i", Subject: "s", Client: "c", Device: "d", Session: "sid", TokenID: "j",
		JKT: "p", X5TS256: "x", Tenant: "t", SignedBy: "k",
	}
	valid := 0
	// Every one of the 1024 combinations.
	for shape := range 1 << 10 {
		target := part(whole, shape)
		kind, err := target.Kind()
		if err != nil {
			if !errors.Is(err, ErrTarget) || target.Validate() == nil {
				t.Errorf("%v: %v", target.Members(), err)
			}
			if shape != 0 && !strings.Contains(err.Error(), "nearest") {
				t.Errorf("%v: the error names no mend: %v", target.Members(), err)
			}
			continue
		}
		valid++
		if int(shapes[kind]) != shape {
			t.Errorf("%v is a %s", target.Members(), kind)
		}
	}
	if valid != 13 || len(Kinds()) != valid {
		t.Errorf("%d combinations are valid, %d kinds; the design has 13", valid, len(Kinds()))
	}
}

// part is the members of whole that the bits of a shape name.
func part(whole Target, shape int) Target {
	var t Target
	for i, field := range []*string{&t.Issuer, &t.Subject, &t.Client, &t.Device, &t.Session, &t.TokenID, &t.JKT, &t.X5TS256, &t.Tenant, &t.SignedBy} {
		if shape&(1<<i) != 0 {
			*field = whole.members()[i].Value
		}
	}
	return t
}

// The table of section 2 of the design.
func TestDefaultModesAndReach(t *testing.T) {
	for kind, want := range map[Kind]struct {
		mode       Mode
		wide, user bool
	}{
		KindSubject: {SignIn, false, true}, KindSubjectClient: {SignIn, false, false},
		KindSubjectDevice: {SignIn, false, false}, KindSubjectDeviceClient: {SignIn, false, false},
		KindSession: {SignIn, false, false}, KindToken: {Final, false, false},
		KindProofKey: {Final, false, false}, KindCertificate: {Final, false, false},
		KindDevice: {SignIn, true, false}, KindTenant: {SignIn, true, true}, KindClient: {SignIn, true, false},
		KindIssuer: {SignIn, true, true}, KindSigningKey: {Final, true, false},
	} {
		if got := kind.DefaultMode(); got != want.mode {
			t.Errorf("%s: mode %s", kind, got)
		}
		if kind.Wide() != want.wide || kind.UserWide() != want.user {
			t.Errorf("%s: wide %v, user-wide %v", kind, kind.Wide(), kind.UserWide())
		}
	}
}

func TestKeysDontCollideByConcatenation(t *testing.T) {
	seen := make(map[Key]Target)
	for _, target := range []Target{
		{Issuer: "a", Subject: "bc"},
		{Issuer: "ab", Subject: "c"},
		{Issuer: "a|b", Subject: "c"},
		{Issuer: "a", Subject: "b|c"},
		{Issuer: "a", Session: "bc"},
		{Issuer: "a", TokenID: "bc"},
		{Issuer: "a", Device: "bc"},
		{Issuer: "a", Client: "bc"},
		{Issuer: "a", Tenant: "bc"},
		{Issuer: "a", SignedBy: "bc"},
		{Issuer: "abc"},
		{JKT: "abc"},
		{X5TS256: "abc"},
		{Issuer: "a", Subject: "b", Client: "c"},
		{Issuer: "a", Subject: "b", Device: "c"},
		{Issuer: "a", Subject: "c", Client: "b"},
		{Issuer: "a", Subject: "\x01b"},
		{Issuer: "a\x01", Subject: "b"},
	} {
		kind, err := target.Kind()
		if err != nil {
			t.Fatal(err)
		}
		key := keyOf(kind, &target)
		if other, ok := seen[key]; ok {
			t.Errorf("%v and %v share a key", target.Members(), other.Members())
		}
		seen[key] = target
	}
}

func TestMatcher(t *testing.T) {
	c := Credential{Issuer: "i", Subject: "a", Session: "s", KeyID: "k"}
	c.Seal()
	for _, tt := range []struct {
		target Target
		want   bool
	}{
		{Target{Issuer: "i"}, true},
		{Target{Issuer: "j"}, false},
		{Target{Issuer: "i", Subject: "a"}, true},
		{Target{Issuer: "i", Subject: "A"}, false},
		{Target{Issuer: "j", Subject: "a"}, false},
		{Target{Issuer: "i", Session: "s"}, true},
		{Target{Issuer: "i", SignedBy: "k"}, true},
		{Target{Issuer: "i", Device: "d"}, false},
		{Target{Issuer: "i", Subject: "a", Device: "d"}, false},
		{Target{}, false},
		{Target{Subject: "a"}, false},
	} {
		if got := tt.target.Matcher()(&c); got != tt.want {
			t.Errorf("%v: %v", tt.target.Members(), got)
		}
	}
	if (Target{Issuer: "i"}).Matcher()(&Credential{Issuer: "i"}) {
		t.Error("an unsealed credential was matched")
	}
}

func TestThroughOf(t *testing.T) {
	at := time.UnixMilli(1_000_900)
	for skew, want := range map[time.Duration]int64{0: 1000, 99 * time.Millisecond: 1000, 100 * time.Millisecond: 1001, 2 * time.Second: 1002, 2100 * time.Millisecond: 1003} {
		if got := ThroughOf(at, skew); got != want {
			t.Errorf("skew %s: %d, want %d", skew, got, want)
		}
	}
}

// A credential that is changed and sealed again is matched by what it says now.
func TestSealingAgainForgetsWhatWasThere(t *testing.T) {
	c := Credential{Issuer: "i", Subject: "a", Session: "s"}
	c.Seal()
	c.Session = ""
	c.Seal()
	if (Target{Issuer: "i", Session: "s"}).Matcher()(&c) {
		t.Error("it is still matched by a session that it no longer has")
	}
	if !(Target{Issuer: "i", Subject: "a"}).Matcher()(&c) {
		t.Error("it is not matched by its subject")
	}
}
