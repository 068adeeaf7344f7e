package live

import (
	"context"
	"time"
)

// Run ends the requests whose deadline has passed, until the context is done.
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
			if due := g.shards[i][j].due(now); due != nil {
				g.cut(due, func(q *Request) *Refusal { return q.judge.Judge(q.due) })
			}
		}
	}
}

// due takes the requests whose deadline has passed. As long as no deadline has,
// it need not look at any.
func (s *shard) due(now int64) (due []*Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.earliest == 0 || s.earliest > now {
		return nil
	}
	s.earliest = 0
	for q := s.first; q != nil; q = q.next {
		switch {
		case q.deadline == 0:
		case q.deadline <= now:
			q.deadline = 0
			due = append(due, q)
		case s.earliest == 0 || q.deadline < s.earliest:
			s.earliest = q.deadline
		}
	}
	return due
}
