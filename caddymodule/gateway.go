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
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/token"
)

// gateways and keySets hold the state that outlives a configuration. Caddy has
// no other place for it: a reload makes every module again, and starts the new
// modules before it stops the old ones.
var (
	gateways = caddy.NewUsagePool() // by ledger
	keySets  = caddy.NewUsagePool() // by issuer and place of its keys
)

// clock is the clock of every gateway. Only tests replace it, before they make
// a gateway.
var clock = time.Now

// gateway is the state of this process that belongs to one ledger.
type gateway struct {
	store     *store
	now       func() time.Time
	metrics   *metrics
	cache     *token.Cache
	sightings account.Sightings
	witness   account.Witness
	memory    admin.Memory
	live      live.Registry
	replays   token.Replays
	nonces    nonces
	node      *node.Node
	subjects  subjects
	auditor   auditor
	stop      context.CancelFunc // of the goroutines below
	running   sync.WaitGroup
	app       atomic.Pointer[App] // the configuration that was started last

	starting sync.Mutex
	started  bool
	madeKey  bool // this gateway made the key file of its ledger
	begin    beginning
}

// acquireGateway makes the gateway of a ledger, or shares the existing one. It
// opens nothing. The token cache of a new gateway is made for so many bytes.
func acquireGateway(s *store, nodeName string, tokenCache int64) (*gateway, error) {
	g, _, err := gateways.LoadOrNew(s.id, func() (caddy.Destructor, error) {
		cache, err := token.NewCache(tokenCache)
		if err != nil {
			return nil, fmt.Errorf("making the token cache: %w", err)
		}
		g := &gateway{store: s, cache: cache, now: clock}
		g.nonces.own = seal.RandomKey()
		g.sightings.Now = g.now
		g.auditor.lines = make(chan []byte, mostAudited)
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
		g.subjects.dir, g.subjects.node = s.dir, g.node
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

// use puts an app's configuration in force.
func (g *gateway) use(a *App) {
	g.app.Store(a)
	a.setFetchTimeouts()
	g.cache.Resize(a.TokenCache)
	g.node.Configure(a.settings())
	g.subjects.use(a)
}

// leave is called at the cleanup of an app. If that app failed to start and is
// in force, leave puts the configuration that serves back in force.
func (g *gateway) leave(a *App) {
	if g.app.Load() != a {
		return
	}
	if active, err := activeApp(); err == nil && active != a && active.gateway == g {
		g.use(active)
	}
}

// start opens the ledger at the first start of a configuration. Later starts do
// nothing.
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
	g.running.Go(func() { g.live.Run(ctx) })
	g.running.Go(func() { g.subjects.run(ctx) })
	g.running.Go(func() { g.auditor.run(ctx, g.auditsTo) })
	g.started = true
	return nil
}

// newInstance returns a random name for this start of the process.
func newInstance() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // crypto/rand documents that it never fails
	return hex.EncodeToString(b[:])
}

// Destruct is called when the last configuration has released the gateway. It
// ends the requests that are still live.
func (g *gateway) Destruct() error {
	err := g.node.Close()
	if g.stop != nil {
		g.stop()
		g.running.Wait()
	}
	return errors.Join(err, local.ForgetSubjects(g.store.dir), g.withdrawKey())
}
