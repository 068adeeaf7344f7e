package caddymodule

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// sessionLifetimes tells each issuer the longest lifetime of its sign-ins.
func (a *App) sessionLifetimes() {
	for _, s := range a.SignIns {
		if i, err := s.issuerOf(a); err == nil {
			i.sessions = max(i.sessions, s.lifetime())
		}
	}
}

// provisionSignIns makes the sign-ins. It asks no provider.
func (a *App) provisionSignIns() error {
	if len(a.SignIns) == 0 {
		return nil
	}
	var configs []login.Config
	for _, s := range a.SignIns {
		i, err := s.issuerOf(a)
		if err != nil {
			return s.at.name(err)
		}
		c, err := s.config(i)
		if err != nil {
			return s.at.name(fmt.Errorf("sign_in %s: %w", s.Name, err))
		}
		c.Issuer = a.issuers[i.URL]
		if err := s.credentials(&c); err != nil {
			return s.CredentialPlace.name(err)
		}
		if c.Client, err = i.client(); err != nil {
			return i.at.name(err)
		}
		if err := c.Validate(); err != nil {
			return s.at.name(err)
		}
		configs = append(configs, c)
		a.gateway.metrics.signIns.prepare(s.Name)
		a.gateway.metrics.signals.prepare(s.Name)
	}
	var err error
	a.signIns, err = login.New(login.Deps{
		Keys: a.sealingKeys, Find: a.gateway.node.Index().Find,
		// Guards that are provisioned later have it know more claims.
		OpenToken: func(ctx context.Context, raw string, now time.Time) (*token.Opened, error) {
			return a.verifier.Open(ctx, raw, now)
		},
		Ready:    func(now time.Time) bool { return a.gateway.node.StateAt(now) == node.Ready },
		Submit:   a.submit,
		Secure:   isSecure,
		Pages:    loginPages{a.pages},
		Now:      a.gateway.now,
		Verified: a.signedIn,
		Log:      a.log,
		Observer: a.gateway.metrics.signIns,
	}, configs...)
	return err
}

// client returns a client for the provider, for what is not its keys.
func (i *Issuer) client() (*outbound.Client, error) {
	roots, err := i.roots()
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	var o outbound.Options
	if roots != nil {
		o.Roots = x509.NewCertPool()
		o.Roots.AppendCertsFromPEM(roots)
	}
	c := outbound.New(i.URL, o)
	c.SetTimeout(time.Duration(i.FetchTimeout))
	return c, nil
}

// appendDeadline limits the time in which a browser's cut must be durable.
const appendDeadline = 5 * time.Second

// submit makes a cut durable that a browser has ordered. It does not stop when the
// browser goes away.
func (a *App) submit(ctx context.Context, d *revocation.Draft) error {
	all := make(revocation.Issuers, len(a.Issuers))
	for _, i := range a.Issuers {
		all[i.URL] = a.admitted(i)
	}
	now := a.gateway.now()
	r, err := d.Record(all, &revocation.Observed{
		Now: now, Instant: func(issuer string) time.Time { return a.gateway.node.Instant(issuer, now) },
		Facts: a.factsOf, Seen: a.gateway.sightings.Have,
	})
	if err != nil {
		return err
	}
	if a.gateway.crowded() {
		return fmt.Errorf("%w: this node has no memory left for more", ledger.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendDeadline)
	defer cancel()
	_, err = a.gateway.node.Submit(ctx, []revocation.Record{r}, ledger.Idempotency{})
	return err
}

// admitted returns an issuer with the clients that a credential of it can name.
func (a *App) admitted(i *Issuer) *revocation.Issuer {
	shared := i.shared()
	shared.OnlyClients = func() []string { return a.onlyClients(i) }
	return shared
}

// isSecure reports whether a request came over https: here, or at a proxy in
// front that `trusted_proxies` names.
func isSecure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	proto := r.Header["X-Forwarded-Proto"]
	if len(proto) != 1 || !strings.EqualFold(proto[0], "https") {
		return false
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}
