// Package admintest runs the admin API over a real node and a real ledger in
// the test's own process, for tests of the programs that call it.
package admintest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/admin"
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// Issuer is the only issuer, and Secret that of a caller who may do everything.
const (
	Issuer = "https://login.example.com"
	Secret = "secret-of-the-tests-0123456789"
)

// API is a server of the admin API: at the root for the bearer of [Secret], and
// below /curfew for everybody, as on Caddy's admin endpoint. The node has seen
// one session of alice, on the clients web and app.
type API struct {
	*httptest.Server
	Mux  *http.ServeMux // for further handlers
	node *node.Node
}

// New starts an API that ends with the test.
func New(tb testing.TB) *API {
	tb.Helper()
	a, err := Start(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = a.Close() })
	return a
}

// Start starts an API with its ledger in a directory, for examples.
func Start(dir string) (*API, error) {
	n := node.New(node.Config{Name: "edge-1", Instance: "t", Open: func() (ledger.Ledger, error) {
		return local.Open(local.Options{Dir: dir, OnEmpty: local.Start})
	}})
	if err := n.Start(); err != nil {
		return nil, err
	}
	a := &API{Mux: http.NewServeMux(), node: n}
	if err := a.serve(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return a, nil
}

// Close ends the server with its connections, and the node.
func (a *API) Close() error {
	a.CloseClientConnections()
	a.Server.Close()
	return a.node.Close()
}

func (a *API) serve() error {
	for deadline := time.Now().Add(time.Minute); a.node.State() != node.Ready; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the node is %s: %w", a.node.State(), a.node.Why())
		}
	}
	bearer, err := httpapi.Bearer([]httpapi.NamedToken{{
		Name: "oncall", Role: httpapi.BreakGlass, Secret: func() ([]byte, error) { return []byte(Secret), nil },
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	seen := sightings()
	for prefix, authenticate := range map[string]func(*http.Request) (httpapi.Caller, error){"": bearer, "/curfew": admin.Local} {
		handler, err := admin.New(a.config(prefix, authenticate, seen))
		if err != nil {
			return err
		}
		a.Mux.Handle(prefix+"/", handler)
	}
	a.Server = httptest.NewServer(a.Mux)
	return nil
}

func (a *API) config(prefix string, authenticate func(*http.Request) (httpapi.Caller, error), seen *account.Sightings) admin.Config {
	return admin.Config{
		Node: a.node, Sightings: seen, Authenticate: authenticate, Prefix: prefix,
		Issuers: []revocation.Issuer{{
			URL: Issuer, ClockSkew: 2 * time.Second, Retention: 90 * 24 * time.Hour, MaxTokenLifetime: 28 * time.Hour,
			ExemptClients: []string{"xbox-console"}, DeviceClaim: "device_id", TenantClaim: "org_id",
		}},
		Explain: func(context.Context, string, []string) (admin.Explanation, error) {
			return admin.Explanation{Decision: "admit", Reason: "admitted", Rules: []policy.Tried{{Rule: "block", Outcome: "pass"}}}, nil
		},
	}
}

func sightings() *account.Sightings {
	seen := new(account.Sightings)
	for _, client := range []string{"web", "app"} {
		now := time.Now().Unix()
		c := &revocation.Credential{
			Issuer: Issuer, Subject: "alice", Client: client, Session: "s1", AuthTime: now, IssuedAt: now, ExpiresAt: now + 300,
		}
		c.Seal()
		seen.Note(c)
	}
	return seen
}
