package main

import (
	"context"
	"crypto/rand"
	"os"
	"strings"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/benchmarks/rig"
)

// stage holds everything that runs before the first request.
type stage struct {
	issuer            *issuer
	gateway, upstream *child
	ledger            string
	app               string
	api               *adminclient.Client
	bystander         string // the token of somebody who has nothing open
}

func setUp(ctx context.Context, p plan) (_ *stage, err error) {
	s, secret := new(stage), rand.Text()
	defer func() {
		if err != nil {
			s.tearDown()
		}
	}()
	if s.issuer, err = startIssuer(); err != nil {
		return nil, err
	}
	if s.bystander, err = s.issuer.token(-1); err != nil {
		return nil, err
	}
	if s.upstream, err = startChild(ctx, "upstream"); err != nil {
		return nil, err
	}
	if s.ledger, err = os.MkdirTemp("", "curfew-connections-"); err != nil {
		return nil, err
	}
	addresses, err := rig.FreeAddresses(3)
	if err != nil {
		return nil, err
	}
	s.app = addresses[0]
	s.api = &adminclient.Client{URL: "http://" + addresses[1], Secret: func() (string, error) { return secret, nil }, Endurance: -1}
	guard := "curfew"
	if !p.guarded {
		guard = ""
	}
	config := strings.NewReplacer("ISSUER", s.issuer.url, "LEDGER", s.ledger, "GUARD", guard, "UPSTREAM", s.upstream.address,
		"APP", addresses[0], "API", addresses[1], "HEALTH", addresses[2], "SECRET", secret).Replace(caddyfile)
	s.gateway, err = startChild(ctx, "gateway", "CADDYFILE="+config, "READY=http://"+addresses[2]+"/readyz")
	return s, err
}

func (s *stage) tearDown() {
	for _, c := range []*child{s.gateway, s.upstream} {
		if c != nil {
			c.end()
		}
	}
	_ = os.RemoveAll(s.ledger)
}
