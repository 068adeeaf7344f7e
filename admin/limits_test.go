package admin

import (
	"slices"
	"testing"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// shows is what one token shows.
func shows(t token.Type, c revocation.Credential) account.Facts { return account.FactsOf(t, &c) }

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
	var facts account.Facts
	g := newGateway(t, func(c *Config) {
		c.Issuers[0].Facts = func() account.Facts { return facts }
		c.Issuers[0].MachineClients = []string{"batch"}
	})
	whole := shows(token.TypeAccess, complete)
	without := func(t token.Type, change func(*revocation.Credential)) account.Facts {
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
		facts  account.Facts
		target []string // members beside iss
		mode   string
		want   []string
	}{
		"nothing was seen, client":         {0, []string{"sub", "a", "client_id", "web"}, "", nil},
		"nothing was seen, session":        {0, []string{"sid", "s"}, "", nil},
		"all is carried, session":          {whole, []string{"sid", "s"}, "", nil},
		"all is carried, token":            {whole, []string{"jti", "j"}, "", nil},
		"no client, one app":               {without(token.TypeAccess, noClient), []string{"sub", "a", "client_id", "web"}, "", []string{"no_client_id"}},
		"no client, one app on a device":   {without(token.TypeAccess, noClient), []string{"sub", "a", "device_id", "d", "client_id", "web"}, "", []string{"no_client_id"}},
		"no client, a client":              {without(token.TypeAccess, noClient), []string{"client_id", "web"}, "", []string{"no_client_id"}},
		"no client, exempt clients":        {without(token.TypeAccess, noClient), []string{"sub", "a"}, "", []string{"no_client_id"}},
		"no client, nobody exempt":         {without(token.TypeAccess, noClient), []string{"sid", "s"}, "", nil},
		"no session, session":              {without(token.TypeAccess, noSession), []string{"sid", "s"}, "", []string{"no_sid"}},
		"no session, user":                 {without(token.TypeAccess, noSession), []string{"sub", "a"}, "", nil},
		"no session in ID tokens":          {without(token.TypeID, noSession), []string{"sid", "s"}, "refresh", []string{"no_sid"}},
		"no id, token":                     {without(token.TypeAccess, noID), []string{"jti", "j"}, "", []string{"no_jti"}},
		"no id, session":                   {without(token.TypeAccess, noID), []string{"sid", "s"}, "", nil},
		"no auth_time, user":               {without(token.TypeAccess, noTime), []string{"sub", "a"}, "", []string{"no_auth_time"}},
		"no auth_time, user, refresh":      {without(token.TypeAccess, noTime), []string{"sub", "a"}, "refresh", nil},
		"nor client":                       {without(token.TypeAccess, func(c *revocation.Credential) { noTime(c); noClient(c) }), []string{"sub", "a"}, "", []string{"no_auth_time", "no_client_id"}},
		"no key id":                        {without(token.TypeAccess, noKey), []string{"kid", "k"}, "", []string{"no_kid"}},
		"some have a device":               {without(token.TypeAccess, noDevice), []string{"sub", "a", "device_id", "d"}, "", nil},
		"ID tokens have none":              {without(token.TypeID, noDevice), []string{"sub", "a", "device_id", "d"}, "", []string{"no_device_id"}},
		"ID tokens have no organisation":   {without(token.TypeID, noTenant), []string{"tenant", "t"}, "", []string{"no_tenant"}},
		"machines, a person":               {without(token.TypeMachine, machine), []string{"sub", "a"}, "", nil},
		"machines, a session":              {without(token.TypeMachine, machine), []string{"sid", "s"}, "", nil},
		"machines, a device":               {without(token.TypeMachine, machine), []string{"sub", "a", "device_id", "d"}, "", nil},
		"machines, everyone":               {without(token.TypeMachine, machine), nil, "", []string{"no_auth_time"}},
		"machines, a client":               {without(token.TypeMachine, machine), []string{"client_id", "web"}, "", []string{"no_auth_time"}},
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
