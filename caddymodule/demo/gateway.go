package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/internal/pause"
)

// gateway is the Caddy of this process. There is one in a process.
type gateway struct {
	config []byte // JSON
	health string // URL of its health site
}

// start loads the configuration and returns once requests are decided.
func (g gateway) start(ctx context.Context, client *http.Client) error {
	if err := g.load(); err != nil {
		return err
	}
	return awaitReady(ctx, client, g.health)
}

func (g gateway) load() error {
	if err := caddy.Load(g.config, true); err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	return nil
}

// stop releases the ledger and the ports. Only the admin endpoint stays, which
// Caddy keeps until the next configuration.
func (g gateway) stop() error {
	if err := caddy.Stop(); err != nil {
		return fmt.Errorf("stopping the gateway: %w", err)
	}
	return nil
}

const readyWithin = 30 * time.Second

// awaitReady asks a gateway until it has read its ledger and fetched its keys.
func awaitReady(ctx context.Context, client *http.Client, health string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin,
		fmt.Errorf("it is not ready after %s: see why with --verbose", readyWithin))
	defer cancel()
	for {
		a, err := get(ctx, client, health+"/readyz", "")
		if err == nil && a.status == http.StatusOK {
			return nil
		}
		if pause.For(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("waiting for the gateway: %w", context.Cause(ctx))
		}
	}
}
