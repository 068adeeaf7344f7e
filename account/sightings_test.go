package account

import (
	"fmt"
	"testing"

	"curfew.dev/curfew/revocation"
)

func seen(sub, client, session, device string) *revocation.Credential {
	c := &revocation.Credential{
		Issuer: "https://idp", Subject: sub, Client: client, Session: session, Device: device, Tenant: "contoso", AuthTime: 1,
	}
	c.Seal()
	return c
}

func TestReach(t *testing.T) {
	var s Sightings
	for _, c := range []*revocation.Credential{
		seen("alice", "web", "s1", "phone"),
		seen("alice", "web", "s1", "phone"), // again: one sighting
		seen("alice", "console", "s2", ""),
		seen("bob", "web", "s3", "phone"),
	} {
		s.Note(c)
	}
	for _, c := range []struct {
		name   string
		target revocation.Target
		exempt []string
		want   Reach
	}{
		{"a user", revocation.Target{Issuer: "https://idp", Subject: "alice"}, nil, Reach{Accounts: 1, Sessions: 2, Devices: 1}},
		{"without the exempt", revocation.Target{Issuer: "https://idp", Subject: "alice"}, []string{"console"}, Reach{Accounts: 1, Sessions: 1, Devices: 1}},
		{"a shared device", revocation.Target{Issuer: "https://idp", Device: "phone"}, nil, Reach{Accounts: 2, Sessions: 2, Devices: 1}},
		{"everybody", revocation.Target{Issuer: "https://idp"}, nil, Reach{Accounts: 2, Sessions: 3, Devices: 1}},
		{"another issuer", revocation.Target{Issuer: "https://other"}, nil, Reach{}},
		{"no target", revocation.Target{Subject: "alice"}, nil, Reach{}},
	} {
		if got := s.Reach(c.target, c.exempt); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// An answer says if sightings were forgotten to stay within the limit.
func TestRoom(t *testing.T) {
	s := Sightings{Limit: 10}
	for i := range 11 {
		s.Note(seen(fmt.Sprint("user-", i), "web", fmt.Sprint("s", i), ""))
	}
	got := s.Reach(revocation.Target{Issuer: "https://idp"}, nil)
	if want := (Reach{Accounts: 10, Sessions: 10, Incomplete: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s.Reach(revocation.Target{Issuer: "https://idp", Subject: "user-0"}, nil).Accounts != 0 {
		t.Error("the oldest was kept")
	}
}

// Only sightings of the target's subject are asked.
func TestHave(t *testing.T) {
	var s Sightings
	s.Note(seen("alice", "web", "s1", ""))
	s.Note(seen("alice", "console", "", ""))
	withoutSession := func(c *revocation.Credential) bool { return c.Session == "" }
	for target, want := range map[revocation.Target]bool{
		{Issuer: "https://idp", Subject: "alice"}:                    true,
		{Issuer: "https://idp", Subject: "alice", Client: "console"}: true,
		{Issuer: "https://idp", Subject: "alice", Client: "web"}:     false,
		{Issuer: "https://idp", Subject: "bob"}:                      false,
		{Issuer: "https://idp"}:                                      false,
	} {
		if got := s.Have(target, withoutSession); got != want {
			t.Errorf("%+v: %v", target, got)
		}
	}
}
