package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"curfew.dev/curfew/benchmarks/rig"
)

// stage is everything that must be there before anybody comes.
type stage struct {
	issuer            *issuer
	gateway, upstream *child
	ledger            string
	app, api, secret  string
	bystander         string // the token of somebody who has nothing open
}

func setUp(ctx context.Context, p plan) (s *stage, err error) {
	s = &stage{secret: rand.Text()}
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
	s.app, s.api = addresses[0], addresses[1]
	guard := "curfew"
	if !p.guarded {
		guard = ""
	}
	config := strings.NewReplacer("ISSUER", s.issuer.url, "LEDGER", s.ledger, "GUARD", guard, "UPSTREAM", s.upstream.address,
		"APP", addresses[0], "API", addresses[1], "HEALTH", addresses[2], "SECRET", s.secret).Replace(caddyfile)
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

// call asks the admin API.
func (s *stage) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.api+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.secret)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s %s", path, resp.Status, answer)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}
