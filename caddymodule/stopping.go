package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"curfew.dev/curfew/live"
)

// onStop ends requests that would delay the end of the process. Caddy waits for
// open streams, by default without limit, and cancels a configuration's context
// only after that.
type onStop struct {
	gateway  *gateway
	endFeeds context.CancelFunc
}

// Handle is called with Caddy's event "stopping", at a reload and at an exit.
func (s onStop) Handle(context.Context, caddy.Event) error {
	s.endFeeds()
	if caddy.Exiting() {
		s.gateway.live.CutAll(live.Stopping)
	}
	return nil
}

// isStopping reports whether this configuration is about to stop, or has
// stopped.
func (a *App) isStopping() bool {
	select {
	case <-a.stopping:
		return true
	default:
		return false
	}
}

// watchStop subscribes to the end of this configuration.
func (a *App) watchStop(ctx caddy.Context) error {
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("subscribing to Caddy's events: %w", err)
	}
	serving, endFeeds := context.WithCancel(ctx)
	a.stopping = serving.Done()
	if err := events.(*caddyevents.App).On("stopping", onStop{a.gateway, endFeeds}); err != nil {
		endFeeds()
		return fmt.Errorf("subscribing to Caddy's events: %w", err)
	}
	return nil
}
