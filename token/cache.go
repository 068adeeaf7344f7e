package token

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// DefaultCacheBytes is the size of the verified-token cache unless configured, in
// programs that don't size it by their memory.
const DefaultCacheBytes = 64 << 20

const (
	// tokenOverhead is what a cached token costs in addition to its text: the
	// Token, its place in the cache and the contents of its memos (measured in
	// benchmarks/micro).
	tokenOverhead = 5 << 8
	// sweepEvery is how many tokens are added between two sweeps.
	sweepEvery = 4096
)

// Cache remembers verified tokens, within a bound in bytes. It is keyed by a
// hash of the whole token and compares the whole token, so neither a prefix nor
// a collision is ever a hit. Only tokens that passed every check are in it:
// a refused token is judged again each time.
//
// A Cache outlives configurations; each token in it notes by which rules it
// was judged, and is a miss under others. It needs no closing: its goroutines
// end when nothing refers to it any more. A nil Cache remembers nothing.
type Cache struct {
	seed      maphash.Seed
	store     *store
	evictions *atomic.Uint64
	puts      atomic.Uint64
}

// store is watched by the garbage collector. Ristretto's Close must not run
// during its Get, and requests may still run when a configuration goes. When the
// store can't be reached any more, no request uses it.
type store struct {
	*ristretto.Cache[uint64, *Token]
}

// NewCache returns an empty cache of at most bytes; 0 means 64 MiB.
func NewCache(bytes int64) (*Cache, error) {
	if bytes == 0 {
		bytes = DefaultCacheBytes
	}
	evictions := new(atomic.Uint64)
	// Entries have no TTL: ristretto would read the clock on every hit (twice
	// the cost of the hit). Deadlines are checked here, and swept.
	r, err := ristretto.NewCache(&ristretto.Config[uint64, *Token]{
		NumCounters: max(bytes/200, 1000), // ten for each token of usual size
		MaxCost:     bytes,
		BufferItems: 64,
		KeyToHash:   func(hash uint64) (uint64, uint64) { return hash, 0 },
		OnEvict:     func(*ristretto.Item[*Token]) { evictions.Add(1) },
		OnReject:    func(*ristretto.Item[*Token]) { evictions.Add(1) },
	})
	if err != nil {
		return nil, fmt.Errorf("making a token cache of %d bytes: %w", bytes, err)
	}
	s := &store{r}
	runtime.AddCleanup(s, func(r *ristretto.Cache[uint64, *Token]) { r.Close() }, r)
	return &Cache{seed: maphash.MakeSeed(), store: s, evictions: evictions}, nil
}

// Resize changes the bound. Tokens beyond it are evicted as new ones come. What
// decides which tokens are worth keeping was made for the first bound, and is less
// exact far beyond it.
func (c *Cache) Resize(bytes int64) { c.store.UpdateMaxCost(bytes) }

// Bytes is how much is in use.
func (c *Cache) Bytes() int64 { return c.store.MaxCost() - c.store.RemainingCost() }

// Max is the bound.
func (c *Cache) Max() int64 { return c.store.MaxCost() }

// Evictions is how many tokens are not remembered for want of room: they had to
// make room for others, or others were worth more.
func (c *Cache) Evictions() uint64 { return c.evictions.Load() }

// get returns exactly this token if it is remembered, or nil.
func (c *Cache) get(raw string) *Token {
	if c == nil {
		return nil
	}
	t, ok := c.store.Get(maphash.String(c.seed, raw))
	runtime.KeepAlive(c.store)
	if !ok || t.raw != raw {
		return nil
	}
	return t
}

func (c *Cache) put(t *Token, now time.Time) {
	if c == nil {
		return
	}
	c.store.Set(maphash.String(c.seed, t.raw), t, t.cost())
	if c.puts.Add(1)%sweepEvery == 0 {
		c.sweep(now)
	}
	runtime.KeepAlive(c.store)
}

// sweep removes the tokens whose time has passed. Otherwise those that were
// once popular would keep out new ones for long.
func (c *Cache) sweep(now time.Time) {
	var dead []string
	c.store.IterValues(func(t *Token) bool {
		if !t.holds(t.rules, now) {
			dead = append(dead, t.raw)
		}
		return false
	})
	for _, raw := range dead {
		c.store.Del(maphash.String(c.seed, raw))
	}
}
