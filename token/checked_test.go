package token

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curfew.dev/curfew/token/tokentest"
)

// remembers reports what the verifier's only issuer knows of a token.
func (f fixture) remembers(raw string) (signed, known bool) {
	i := f.v.issuers[issuerURL]
	return i.checked.recall(raw, i.named(header{kid: f.Key().ID, alg: f.Key().Algorithm}))
}

func TestRefusedTokensAreNotCheckedTwice(t *testing.T) {
	f := newFixture(t)
	claims := f.Claims(api, start)
	good := f.Sign(claims)
	forged := good[:len(good)-2] + flip(good[len(good)-2]) + good[len(good)-1:]
	expired := f.Sign(claims, tokentest.Claims{"iat": start.Unix() - 7200, "exp": start.Unix() - 3600})
	for _, c := range []struct {
		name, raw, detail string
		signed, known     bool
	}{
		{"forged", forged, "its signature is wrong", false, true},
		{"expired", expired, "it has expired", true, true},
		{"without a kid of its issuer's", sign(t, f.Key(), claims, nil, map[string]any{"kid": "other"}), "the issuer has no key for its kid and alg", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 3 {
				if _, err := f.verify(c.raw); wantKind(t, err, Invalid).Detail != c.detail {
					t.Errorf("refused because %q", err)
				}
				if signed, known := f.remembers(c.raw); signed != c.signed || known != c.known {
					t.Errorf("signed %t, known %t", signed, known)
				}
			}
		})
	}
	if _, err := f.verify(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
	if _, known := f.remembers(good); known {
		t.Error("the good one takes room that is for refused ones")
	}
}

// What is remembered is the signature and nothing else: a token that was too
// young is admitted when its time has come, and refused again when it is over.
func TestCheckedIsNoVerdict(t *testing.T) {
	f := newFixture(t)
	raw := f.Sign(f.Claims(api, start), tokentest.Claims{"nbf": start.Unix() + 60})
	at := func(d time.Duration) error {
		_, _, err := f.v.Verify(t.Context(), raw, start.Add(d))
		return err
	}
	wantKind(t, at(0), Invalid)
	if signed, known := f.remembers(raw); !signed || !known {
		t.Fatal("it is not remembered")
	}
	if err := at(time.Minute); err != nil {
		t.Errorf("when its time has come: %v", err)
	}
	wantKind(t, at(24*time.Hour), Invalid)
}

// Every byte counts: nothing like a token that is known to be signed passes.
func TestCheckedComparesTheWholeToken(t *testing.T) {
	f := newFixture(t)
	raw := f.Sign(f.Claims(api, start), tokentest.Claims{"nbf": start.Unix() + 60})
	_, err := f.verify(raw)
	wantKind(t, err, Invalid)
	for at := 0; at < len(raw); at += 3 {
		other := raw[:at] + flip(raw[at]) + raw[at+1:]
		if other == raw {
			continue
		}
		if signed, _ := f.remembers(other); signed {
			t.Fatalf("with byte %d changed it passes for signed", at)
		}
		if _, _, err := f.v.Verify(t.Context(), other, start.Add(time.Minute)); err == nil {
			t.Fatalf("with byte %d changed it is admitted", at)
		}
	}
	// Two tokens of one slot.
	m := newChecked()
	k := &key{}
	m.note("a", k, true)
	for n := range 10_000 {
		if raw := strings.Repeat("b", n%maxRemembered+1); m.slot(raw) == m.slot("a") {
			if _, known := m.recall(raw, k); known {
				t.Fatal("a neighbour's is recalled")
			}
		}
	}
	if _, known := m.recall("a", new(key)); known {
		t.Error("another key's is recalled")
	}
	long := strings.Repeat("x", maxRemembered+1)
	m.note(long, k, true)
	if _, known := m.recall(long, k); known {
		t.Error("a token beyond the bound is kept")
	}
}

// K9 again: a provider that replaces a key under the same kid is believed as
// soon as it may be asked, also about a token that was refused before.
func TestRefusedTokenIsGoodUnderTheNextKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		next := tokentest.NewKey(t, r.Key().ID, r.Key().Algorithm)
		raw := sign(t, next, r.Claims(api, time.Now()), nil, nil)
		for range 3 {
			wantKind(t, r.verify(raw), Invalid) // a fetch was spent just now
		}
		r.Publish(next)
		time.Sleep(minInterval)
		if err := r.verify(raw); err != nil {
			t.Fatalf("under the key that signed it: %v", err)
		}
		old := sign(t, r.Key(), r.Claims(api, time.Now()), nil, nil)
		for range 3 {
			wantKind(t, r.verify(old), Invalid)
		}
	})
}

// And a key that is withdrawn takes what it signed with it.
func TestCheckedEndsWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		defer r.stop()
		raw := r.Sign(r.Claims(api, time.Now()), tokentest.Claims{"nbf": time.Now().Add(10 * time.Minute).Unix()})
		wantKind(t, r.verify(raw), Invalid) // and known to be signed
		r.Rotate(tokentest.NewKey(t, "next", r.Key().Algorithm))
		time.Sleep(10 * time.Minute)
		if e := wantKind(t, r.verify(raw), Invalid); e.Detail != errUnknownKey.(*Error).Detail {
			t.Errorf("refused because %q", e.Detail)
		}
	})
}

func TestCheckedIsSharedByCores(t *testing.T) {
	f := newFixture(t)
	good := f.Sign(f.Claims(api, start))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range 40 {
				at := len(good) - 3 - n%8
				forged := good[:at] + flip(good[at]) + good[at+1:]
				if _, err := f.verify(forged); err == nil {
					t.Error("a forged token is admitted")
				}
				if _, err := f.verify(good); err != nil {
					t.Errorf("a good token is refused: %v", err)
				}
			}
		})
	}
	all.Wait()
}
