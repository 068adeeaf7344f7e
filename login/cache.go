package login

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

const (
	// DefaultCacheBytes is the size of the cache of opened sessions unless
	// configured.
	DefaultCacheBytes = 16 << 20
	// sessionOverhead is what a cached session costs beside its cookie and its
	// facts, in bytes.
	sessionOverhead = 2 << 10
	// sweepEvery is how many sessions are added between two sweeps.
	sweepEvery = 4096
)

// cache remembers opened sessions within a bound in bytes. It is keyed by a hash
// of host and whole cookie, and compares both. It lives as long as the
// configuration whose sign-ins opened the sessions, so none is judged by the rules
// of another.
type cache struct {
	seed  maphash.Seed
	store *store
	puts  atomic.Uint64
}

// store is watched by the garbage collector: requests may still use it when its
// configuration goes.
type store struct {
	*ristretto.Cache[uint64, *Session]
}

func newCache(bytes int64) (*cache, error) {
	if bytes == 0 {
		bytes = DefaultCacheBytes
	}
	r, err := ristretto.NewCache(&ristretto.Config[uint64, *Session]{
		NumCounters: max(bytes/300, 1000), // ten for each session of usual size
		MaxCost:     bytes,
		BufferItems: 64,
		KeyToHash:   func(hash uint64) (uint64, uint64) { return hash, 0 },
	})
	if err != nil {
		return nil, fmt.Errorf("making a session cache of %d bytes: %w", bytes, err)
	}
	s := &store{r}
	runtime.AddCleanup(s, func(r *ristretto.Cache[uint64, *Session]) { r.Close() }, r)
	return &cache{seed: maphash.MakeSeed(), store: s}, nil
}

func (c *cache) key(cookie, host string) uint64 {
	return bits.RotateLeft64(maphash.String(c.seed, host), 32) ^ maphash.String(c.seed, cookie)
}

// get returns the session of exactly this cookie on exactly this host, or nil.
func (c *cache) get(cookie, host string) *Session {
	s, ok := c.store.Get(c.key(cookie, host))
	runtime.KeepAlive(c.store)
	if !ok || s.cookie != cookie || s.host != host {
		return nil
	}
	return s
}

func (c *cache) put(s *Session, now time.Time) {
	c.store.Set(c.key(s.cookie, s.host), s, s.cost())
	if c.puts.Add(1)%sweepEvery == 0 {
		c.sweep(now)
	}
	runtime.KeepAlive(c.store)
}

// sweep removes the sessions whose time is over. Each renewal of a session leaves
// one behind.
func (c *cache) sweep(now time.Time) {
	var dead []*Session
	c.store.IterValues(func(s *Session) bool {
		if s.over(now) {
			dead = append(dead, s)
		}
		return false
	})
	for _, s := range dead {
		c.store.Del(c.key(s.cookie, s.host))
	}
}
