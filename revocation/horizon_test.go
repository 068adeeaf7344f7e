package revocation_test

import (
	"maps"
	"testing"

	"curfew.dev/curfew/revocation"
)

// The horizons of an epoch are those of its own cuts: of what an earlier one had,
// another node may know nothing. Blocks, cuts of keys and cuts that pass clients
// by for ever leave none.
func TestHorizonsOfAnEpoch(t *testing.T) {
	at := func(epoch uint64, records ...revocation.Record) revocation.Entry {
		return revocation.Entry{Position: revocation.Position{Epoch: epoch, Sequence: 1}, Records: records}
	}
	cut := func(issuer string, mode revocation.Mode, through, keep int64, more ...func(*revocation.Record)) revocation.Record {
		r := revocation.Record{Type: revocation.Cut, Mode: mode, Target: revocation.Target{Issuer: issuer, Subject: "a"}, Through: through, At: through * 1000, Keep: keep}
		for _, m := range more {
			m(&r)
		}
		return r
	}
	all := func(r *revocation.Record) { r.Target.Subject = "" }
	exempt := func(r *revocation.Record) { r.ExemptClients = []string{"web"} }
	token := func(r *revocation.Record) { r.Target = revocation.Target{Issuer: r.Target.Issuer, TokenID: "n"} }
	key := func(r *revocation.Record) { r.Target = revocation.Target{JKT: "p"} }
	signIn, refresh := revocation.HorizonOf{Issuer: "i", Mode: revocation.SignIn}, revocation.HorizonOf{Issuer: "i", Mode: revocation.Refresh}
	for name, tt := range map[string]struct {
		entries []revocation.Entry
		want    revocation.Horizons
	}{
		"nothing":                  {nil, revocation.Horizons{}},
		"lives in part":            {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 999, 10))}, revocation.Horizons{signIn: 989}},
		"expired":                  {[]revocation.Entry{at(1, cut("i", revocation.Refresh, 900, 10))}, revocation.Horizons{refresh: 900}},
		"a token":                  {[]revocation.Entry{at(1, cut("i", revocation.Final, 900, 10, token))}, revocation.Horizons{refresh: 900}},
		"of clients too":           {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 900, 10, exempt))}, revocation.Horizons{signIn: 900}},
		"for ever":                 {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 900, 0))}, revocation.Horizons{}},
		"everybody for ever":       {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 999, 0, all))}, revocation.Horizons{signIn: 999}},
		"everybody but a client":   {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 999, 0, all, exempt))}, revocation.Horizons{}},
		"everybody, finally":       {[]revocation.Entry{at(1, cut("i", revocation.Final, 999, 0, all))}, revocation.Horizons{}},
		"a key":                    {[]revocation.Entry{at(1, cut("", revocation.Refresh, 900, 10, key))}, revocation.Horizons{}},
		"an earlier epoch":         {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 900, 10)), at(2, cut("i", revocation.Refresh, 800, 10))}, revocation.Horizons{refresh: 800}},
		"the same class, and less": {[]revocation.Entry{at(1, cut("i", revocation.SignIn, 900, 10)), at(2, cut("i", revocation.SignIn, 800, 10))}, revocation.Horizons{signIn: 800}},
	} {
		t.Run(name, func(t *testing.T) {
			x := apply(tt.entries...)
			for _, expired := range []bool{false, true} {
				if expired {
					x.Expire(1000)
				}
				got := x.Horizons(1000)
				if !maps.Equal(got, tt.want) || got.Digest() != tt.want.Digest() {
					t.Errorf("expired %t: %v, want %v", expired, got, tt.want)
				}
			}
		})
	}
	a, b := revocation.Horizons{signIn: 5, refresh: 6}, revocation.Horizons{signIn: 6, refresh: 5}
	if a.Digest() == b.Digest() || a.Digest() == (revocation.Horizons{signIn: 5}).Digest() {
		t.Error("different horizons have one digest")
	}
}
