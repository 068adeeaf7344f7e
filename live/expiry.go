package live

import (
	"context"
	"time"
)

// Run ends the requests whose deadline has passed. It returns when the context
// is done.
func (g *Registry) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			g.expire(now.UnixNano())
		}
	}
}

func (g *Registry) expire(now int64) {
	for i := range g.shards {
		for j := range g.shards[i] {
			for cause, due := range g.shards[i][j].due(now) {
				g.cut(due, Cause(cause))
			}
		}
	}
}

// expect records the deadline of a request. The caller holds s.mu.
func (s *shard) expect(q *Request) {
	if q.deadline != 0 && (s.earliest == 0 || q.deadline < s.earliest) {
		s.earliest = q.deadline
	}
}

// hasten gives a request a deadline, unless its deadline is earlier already.
func (s *shard) hasten(q *Request, at int64, due Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.deadline == 0 || at < q.deadline {
		q.deadline, q.due = at, due
		s.expect(q)
	}
}

// due returns the requests whose deadline has passed, by cause, and clears those
// deadlines. While no deadline of the shard has passed, it looks at no request.
func (s *shard) due(now int64) (all [numCauses][]*Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.earliest == 0 || s.earliest > now {
		return all
	}
	s.earliest = 0
	for q := s.first; q != nil; q = q.next {
		switch {
		case q.deadline != 0 && q.deadline <= now:
			q.deadline = 0
			all[q.due] = append(all[q.due], q)
		default:
			s.expect(q)
		}
	}
	return all
}
