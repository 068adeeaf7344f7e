package live

import (
	"math/rand/v2"
	"sync"
	"time"

	"curfew.dev/curfew/revocation"
)

// Registry holds the live requests. The zero value is ready to use. It must not
// be copied after first use.
type Registry struct {
	// Observer is told about the requests that are cut. Nil: none. Set it
	// before the first request.
	Observer Observer

	shards [subjects][stripes]shard
	chase  chase
}

// The requests of one account are spread at random over a few shards, each with
// its own lock, so that cores do not wait for one another even when one account
// is busy. A cut that names the account reads these few shards only.
const (
	subjects = 64
	stripes  = 8
)

// shard is a list of requests.
type shard struct {
	mu     sync.Mutex
	first  *Request
	counts [numProtocols]int
	// earliest is at most the first deadline of the shard, in Unix nanoseconds.
	// No request of the shard is due before it. Zero: no request has a
	// deadline.
	earliest int64

	_ [64]byte // keeps neighbours out of the same cache line
}

// Observer records what a registry does, in metrics and logs. Its methods are
// called from several goroutines and must not block.
type Observer interface {
	// Cut is called when a request begins to end. The reason is the refusal's.
	Cut(reason string)
	// Ended is called when a request that was cut is over. It took this long
	// from the cut.
	Ended(p Protocol, took time.Duration)
	// Overdue is called when the handler of a request that was cut has not
	// returned for this long.
	Overdue(p Protocol, took time.Duration)
}

type nobody struct{}

func (nobody) Cut(string)                      {}
func (nobody) Ended(Protocol, time.Duration)   {}
func (nobody) Overdue(Protocol, time.Duration) {}

func (g *Registry) observer() Observer {
	if g.Observer == nil {
		return nobody{}
	}
	return g.Observer
}

func (g *Registry) add(q *Request) {
	s := &g.shards[q.credential.Hash()%subjects][rand.Uint32()%stripes]
	q.shard = s
	s.mu.Lock()
	if q.next = s.first; q.next != nil {
		q.next.previous = q
	}
	s.first = q
	s.counts[q.protocol]++
	s.expect(q)
	s.mu.Unlock()
}

func (s *shard) remove(q *Request) {
	s.mu.Lock()
	if q.next != nil {
		q.next.previous = q.previous
	}
	if q.previous != nil {
		q.previous.next = q.next
	} else {
		s.first = q.next
	}
	q.previous, q.next = nil, nil
	s.counts[q.protocol]--
	s.mu.Unlock()
}

// among returns the shards that can hold requests of a target.
func (g *Registry) among(t revocation.Target) [][stripes]shard {
	if hash, ok := t.Hash(); ok {
		at := hash % subjects
		return g.shards[at : at+1]
	}
	return g.shards[:]
}

// collect returns the requests of some shards that satisfy a test.
func collect(groups [][stripes]shard, wanted func(*Request) bool) []*Request {
	var found []*Request
	for i := range groups {
		for j := range groups[i] {
			s := &groups[i][j]
			s.mu.Lock()
			for q := s.first; q != nil; q = q.next {
				if wanted(q) {
					found = append(found, q)
				}
			}
			s.mu.Unlock()
		}
	}
	return found
}

// Count returns the number of live requests that a target matches, exempt
// clients included.
func (g *Registry) Count(t revocation.Target) int {
	n, matches := 0, t.Matcher()
	collect(g.among(t), func(q *Request) bool {
		if matches(q.credential) {
			n++
		}
		return false
	})
	return n
}

// Each calls f with the credential of every live request that a target matches,
// exempt clients included. It holds no lock while f runs.
func (g *Registry) Each(t revocation.Target, f func(*revocation.Credential)) {
	matches := t.Matcher()
	for _, q := range collect(g.among(t), func(q *Request) bool { return matches(q.credential) }) {
		f(q.credential)
	}
}

// Live returns the number of live requests of a protocol.
func (g *Registry) Live(p Protocol) int {
	n := 0
	for i := range g.shards {
		for j := range g.shards[i] {
			s := &g.shards[i][j]
			s.mu.Lock()
			n += s.counts[p]
			s.mu.Unlock()
		}
	}
	return n
}
