package caddymodule

import (
	"slices"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// note records a newly verified credential for previews, searches and the limits of
// receipts.
func (a *App) note(t *token.Verified) {
	a.gateway.sightings.Note(&t.Credential)
	a.witness(t)
}

// signedIn records the credential of a new browser session. Guards find the session
// in the cache when it is used, so they don't note it.
func (a *App) signedIn(c *revocation.Credential) {
	a.gateway.node.Verified(c)
	a.gateway.sightings.Note(c)
	if dialect, ok := a.dialects[c.Issuer]; ok {
		a.gateway.witness.Note(dialect, revocation.IDToken, c)
	}
}

// witness records the facts that a credential carries, if its issuer is configured.
func (a *App) witness(t *token.Verified) {
	if dialect, ok := a.dialects[t.Credential.Issuer]; ok {
		a.gateway.witness.Note(dialect, t.Type, &t.Credential)
	}
}

// factsOf returns the facts that this node and the other nodes have seen in the
// tokens of an issuer.
func (a *App) factsOf(issuer string) revocation.Facts {
	return a.ownFacts(issuer) | revocation.Facts(a.gateway.node.FactsElsewhere(issuer))
}

func (a *App) ownFacts(issuer string) revocation.Facts {
	return a.gateway.witness.Facts(a.dialects[issuer])
}

// facts returns the facts that this node announces to the other nodes.
func (g *gateway) facts() map[string]uint64 {
	a := g.app.Load()
	if a == nil {
		return nil
	}
	all := make(map[string]uint64, len(a.dialects))
	for issuer := range a.dialects {
		if seen := a.ownFacts(issuer); seen != 0 {
			all[issuer] = uint64(seen)
		}
	}
	return all
}

// onlyClients returns the clients that a token of an issuer can name. Nil: any
// client. Callers of the admin API have access tokens, which can name any
// client.
func (a *App) onlyClients(i *Issuer) []string {
	for _, api := range a.admins {
		if slices.ContainsFunc(api.OIDC, func(o AdminOIDC) bool { return o.Issuer == i.URL }) {
			return nil
		}
	}
	only := i.onlyClients()
	if only == nil {
		return nil
	}
	for _, s := range a.SignIns {
		if of, err := s.issuerOf(a); err == nil && of == i {
			only = append(slices.Clip(only), s.ClientID)
		}
	}
	return only
}
