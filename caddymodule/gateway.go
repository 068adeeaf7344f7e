package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/admin"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/token"
)

// gateways and keySets hold what outlives configurations. Caddy offers no
// other place: modules are made anew at each reload, and the new ones start
// before the old ones stop.
var (
	gateways = caddy.NewUsagePool() // by ledger
	keySets  = caddy.NewUsagePool() // by issuer and where its keys are
)

const defaultTokenCache = 64 << 20

// clock is what a gateway reads the time from. Only tests replace it, before
// they make one.
var clock = time.Now

// gateway is the part of this process that one ledger belongs to.
type gateway struct {
	store     *store
	now       func() time.Time
	metrics   *metrics
	cache     *token.Cache
	sightings account.Sightings
	witness   account.Witness
	memory    admin.Memory
	live      live.Registry
	node      *node.Node
	stop      context.CancelFunc  // of what watches over live requests
	app       atomic.Pointer[App] // whose configuration was started last

	starting sync.Mutex
	started  bool
	madeKey  bool // the file beside the ledger is this gateway's doing
	begin    beginning
}

// acquireGateway makes the gateway of a ledger, or shares it. Nothing is opened
// yet.
func acquireGateway(s *store, nodeName string) (*gateway, error) {
	g, _, err := gateways.LoadOrNew(s.id, func() (caddy.Destructor, error) {
		cache, err := token.NewCache(defaultTokenCache)
		if err != nil {
			return nil, fmt.Errorf("making the token cache: %w", err)
		}
		g := &gateway{store: s, cache: cache, now: clock}
		g.sightings.Now = g.now
		g.metrics = newMetrics(g)
		g.live.Observer = g.metrics.live
		g.node = node.New(node.Config{
			Name: nodeName, Instance: newInstance(),
			Open:     func() (ledger.Ledger, error) { return g.store.open(g.begin) },
			Now:      g.now,
			Live:     &g.live,
			Newest:   &newestStore{of: s.newest()},
			Facts:    g.facts,
			Observer: &observer{metrics: g.metrics},
		})
		return g, nil
	})
	if err != nil {
		return nil, err
	}
	return g.(*gateway), nil
}

func releaseGateway(g *gateway) error {
	_, err := gateways.Delete(g.store.id)
	return err
}

// use makes an app's configuration the one in force.
func (g *gateway) use(a *App) {
	g.app.Store(a)
	a.setFetchTimeouts()
	g.cache.Resize(a.TokenCache)
	g.node.Configure(a.settings())
}

// leave gives the configuration that serves its place back, if one that failed
// to start after this app did had taken it.
func (g *gateway) leave(a *App) {
	if g.app.Load() != a {
		return
	}
	if active, err := activeApp(); err == nil && active != a && active.gateway == g {
		g.use(active)
	}
}

// start opens the ledger once, whichever configuration comes first.
func (g *gateway) start(a *App) error {
	g.starting.Lock()
	defer g.starting.Unlock()
	if g.started {
		return nil
	}
	if err := g.store.prepare(a.log); err != nil {
		return err
	}
	g.begin = a.beginning()
	g.begin.now, g.begin.instant = g.now, func() time.Time { return g.node.Instant("", g.now()) }
	if err := g.node.Start(); err != nil {
		if errors.Is(err, ledger.ErrLocked) {
			return fmt.Errorf("%w: %s: %s", err, g.store.dir, g.store.locked)
		}
		return err
	}
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	go g.live.Run(ctx)
	g.started = true
	return nil
}

// newInstance tells this start of the process from all others.
func newInstance() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

// Destruct is called when the last configuration has let go. What is still live
// ends with it.
func (g *gateway) Destruct() error {
	err := errors.Join(g.node.Close(), g.withdrawKey())
	if g.stop != nil {
		g.stop()
	}
	return err
}
