package admin

import (
	"slices"
	"testing"

	"curfew.dev/curfew/revocation"
)

// shows is what one token shows.
func shows(t revocation.TokenType, c revocation.Credential) revocation.Facts {
	return revocation.FactsOf(t, &c)
}

// complete is a token with every fact.
var complete = revocation.Credential{AuthTime: 1, Client: "web", Session: "s", TokenID: "j", Device: "d", Tenant: "t", KeyID: "k"}

func lacking(change func(*revocation.Credential)) revocation.Credential {
	c := complete
	change(&c)
	return c
}

// A record says what of its target the tokens of the issuer don't carry, for each
// kind of target and type of token.
func TestARecordSaysWhichTokensItCantHit(t *testing.T) {
	var facts revocation.Facts
	g := newGateway(t, func(c *Config) {
		c.Facts = func(string) revocation.Facts { return facts }
		c.Issuers[0].MachineClients = []string{"batch"}
	})
	whole := shows(revocation.AccessToken, complete)
	without := func(t revocation.TokenType, change func(*revocation.Credential)) revocation.Facts {
		return whole | shows(t, lacking(change))
	}
	noClient := func(c *revocation.Credential) { c.Client = "" }
	noSession := func(c *revocation.Credential) { c.Session = "" }
	noID := func(c *revocation.Credential) { c.TokenID = "" }
	noTime := func(c *revocation.Credential) { c.AuthTime = 0 }
	noDevice := func(c *revocation.Credential) { c.Device = "" }
	noTenant := func(c *revocation.Credential) { c.Tenant = "" }
	noKey := func(c *revocation.Credential) { c.KeyID = "" }
	machine := func(c *revocation.Credential) { c.AuthTime, c.Session, c.Device = 0, "", "" }
	for name, c := range map[string]struct {
		facts  revocation.Facts
		target []string // members beside iss
		mode   string
		want   []string
	}{
		"nothing was seen, client":         {0, []string{"sub", "a", "client_id", "web"}, "", nil},
		"nothing was seen, session":        {0, []string{"sid", "s"}, "", nil},
		"all is carried, session":          {whole, []string{"sid", "s"}, "", nil},
		"all is carried, token":            {whole, []string{"jti", "j"}, "", nil},
		"no client, one app":               {without(revocation.AccessToken, noClient), []string{"sub", "a", "client_id", "web"}, "", []string{"no_client_id"}},
		"no client, one app on a device":   {without(revocation.AccessToken, noClient), []string{"sub", "a", "device_id", "d", "client_id", "web"}, "", []string{"no_client_id"}},
		"no client, a client":              {without(revocation.AccessToken, noClient), []string{"client_id", "web"}, "", []string{"no_client_id"}},
		"no client, exempt clients":        {without(revocation.AccessToken, noClient), []string{"sub", "a"}, "", []string{"no_client_id"}},
		"no client, nobody exempt":         {without(revocation.AccessToken, noClient), []string{"sid", "s"}, "", nil},
		"no session, session":              {without(revocation.AccessToken, noSession), []string{"sid", "s"}, "", []string{"no_sid"}},
		"no session, user":                 {without(revocation.AccessToken, noSession), []string{"sub", "a"}, "", nil},
		"no session in ID tokens":          {without(revocation.IDToken, noSession), []string{"sid", "s"}, "refresh", []string{"no_sid"}},
		"no id, token":                     {without(revocation.AccessToken, noID), []string{"jti", "j"}, "", []string{"no_jti"}},
		"no id, session":                   {without(revocation.AccessToken, noID), []string{"sid", "s"}, "", nil},
		"no auth_time, user":               {without(revocation.AccessToken, noTime), []string{"sub", "a"}, "", []string{"no_auth_time"}},
		"no auth_time, user, refresh":      {without(revocation.AccessToken, noTime), []string{"sub", "a"}, "refresh", nil},
		"nor client":                       {without(revocation.AccessToken, func(c *revocation.Credential) { noTime(c); noClient(c) }), []string{"sub", "a"}, "", []string{"no_auth_time", "no_client_id"}},
		"no key id":                        {without(revocation.AccessToken, noKey), []string{"kid", "k"}, "", []string{"no_kid"}},
		"some have a device":               {without(revocation.AccessToken, noDevice), []string{"sub", "a", "device_id", "d"}, "", nil},
		"ID tokens have none":              {without(revocation.IDToken, noDevice), []string{"sub", "a", "device_id", "d"}, "", []string{"no_device_id"}},
		"ID tokens have no organisation":   {without(revocation.IDToken, noTenant), []string{"tenant", "t"}, "", []string{"no_tenant"}},
		"machines, a person":               {without(revocation.MachineToken, machine), []string{"sub", "a"}, "", nil},
		"machines, a session":              {without(revocation.MachineToken, machine), []string{"sid", "s"}, "", nil},
		"machines, a device":               {without(revocation.MachineToken, machine), []string{"sub", "a", "device_id", "d"}, "", nil},
		"machines, everyone":               {without(revocation.MachineToken, machine), nil, "", []string{"no_auth_time"}},
		"machines, a client":               {without(revocation.MachineToken, machine), []string{"client_id", "web"}, "", []string{"no_auth_time"}},
		"a machine by name, unseen":        {0, []string{"client_id", "batch"}, "", []string{"no_auth_time"}},
		"a machine by its subject, unseen": {0, []string{"sub", "cron", "client_id", "cron"}, "", []string{"no_auth_time"}},
		"a machine by name as subject":     {0, []string{"sub", "batch"}, "", []string{"no_auth_time"}},
		"a machine that was seen":          {whole, []string{"sub", "service-account-7"}, "", []string{"no_auth_time"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := g
			g.TB = t
			facts = c.facts
			seen := revocation.Credential{Issuer: issuer, Subject: "service-account-7", Client: "batch", TokenID: "j", IssuedAt: 1}
			seen.Seal()
			g.seen.Note(&seen)
			target := object{"iss": issuer}
			for i := 0; i < len(c.target); i += 2 {
				target[c.target[i]] = c.target[i+1]
			}
			body := object{"target": target}
			if c.mode != "" {
				body["mode"] = c.mode
			}
			p := g.previewed(text(body))
			if !slices.Equal(p.Limits, c.want) && len(p.Limits)+len(c.want) > 0 {
				t.Errorf("the preview says %v, want %v", p.Limits, c.want)
			}
			body["preview_id"] = p.PreviewID
			r := g.post("/v1/revocations", text(body)).want(201).receipt()
			if !slices.Equal(r.Limits, c.want) && len(r.Limits)+len(c.want) > 0 {
				t.Errorf("the receipt says %v, want %v", r.Limits, c.want)
			}
		})
	}
}
