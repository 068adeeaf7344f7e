package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"curfew.dev/curfew/adminclient"
)

// stage holds the parts of the demo while it runs: gateway, service, provider and people.
type stage struct {
	dir     directory
	tenant  string // of alice and bob
	own     string // the reader's own service behind the gateway; empty: the demo's
	at      places
	people  people
	service service
	gateway gateway
	api     api
	client  *http.Client
	self    []string // the arguments that run the demo again

	cancel     context.CancelFunc
	running    sync.WaitGroup
	restarting sync.Mutex
}

// open starts everything and returns once the gateway decides requests. Nobody
// is signed in yet.
func open(ctx context.Context, dir directory, o options) (_ *stage, err error) {
	s := &stage{dir: dir, own: o.upstream, tenant: o.tenant, client: newClient()}
	if err := dir.moveCaddyIn(); err != nil {
		return nil, err
	}
	if s.at, err = findPlaces(o.port); err != nil {
		return nil, err
	}
	var under context.Context
	under, s.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.prepare(o.verbose); err != nil {
		return nil, err
	}
	provider, err := newProvider(s.at.issuer, urlOf(s.at.app), o.tenant)
	if err != nil {
		return nil, err
	}
	s.people = newPeople(provider.Issuer(), dir, o.asks())
	s.running.Go(func() { _ = provider.Serve(under, s.at.issuer) })
	s.serve(under, s.at.service, &s.service)
	return s, s.gateway.start(ctx, s.client)
}

// prepare writes what the gateway reads: the token of its admin API, and its
// Caddyfile.
func (s *stage) prepare(verbose bool) error {
	token := rand.Text()
	s.api = api{&adminclient.Client{
		URL: urlOf(s.at.api), Secret: func() (string, error) { return token, nil }, HTTP: s.client,
	}, urlOf(s.at.issuer.Addr().String())}
	text := fillIn(s.dir, s.at, s.upstream(), s.at.admin, verbose)
	config, err := adapt(text)
	s.gateway = gateway{config: config, health: urlOf(s.at.health)}
	return errors.Join(err,
		s.dir.write("admin.token", token),
		s.dir.write("operator", "Authorization: Bearer "+token+"\n"),
		s.dir.write("Caddyfile", text),
		// Two processes can't have one admin endpoint.
		s.dir.write(childCaddyfile, fillIn(s.dir, s.at, s.upstream(), "off", verbose)),
	)
}

// serve answers on a listener until the context ends.
func (s *stage) serve(ctx context.Context, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	s.running.Go(func() {
		defer stop()
		_ = server.Serve(l)
	})
}

// restart stops the gateway and starts it again on the same data.
func (s *stage) restart(ctx context.Context) error {
	s.restarting.Lock()
	defer s.restarting.Unlock()
	if err := s.gateway.stop(); err != nil {
		return err
	}
	return s.gateway.start(ctx, s.client)
}

// close stops everything.
func (s *stage) close() error {
	s.cancel()
	err := errors.Join(s.gateway.stop(), s.at.close())
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("ending the demo: %w", err)
	}
	return nil
}

// upstream is the service behind the gateway.
func (s *stage) upstream() string {
	if s.own != "" {
		return s.own
	}
	return urlOf(s.at.service.Addr().String())
}

// app is the address of the service behind the gateway.
func (s *stage) app() string { return urlOf(s.at.app) + "/" }
