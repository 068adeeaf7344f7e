package live

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/revocation"
)

// Cut ends the requests of a target that are refused now, and returns their
// number. It does not wait for handlers: when it returns, all of these requests
// are ending.
func (g *Registry) Cut(t revocation.Target) int {
	matches := t.Matcher()
	return g.cut(collect(g.among(t), func(q *Request) bool { return matches(q.credential) }), Changed)
}

// CutAll judges every request for a cause and ends those that are refused. It
// returns their number.
func (g *Registry) CutAll(c Cause) int {
	return g.cut(collect(g.shards[:], func(*Request) bool { return true }), c)
}

// The caller's goroutine cuts at most this many requests. More are cut by one
// goroutine for each core. Each of these yields after every request, so that
// new requests do not queue behind thousands of handlers that were just woken.
const few = 64

func (g *Registry) cut(candidates []*Request, c Cause) int {
	var cut, next atomic.Int64
	work := func(rest func()) {
		for i := next.Add(1) - 1; i < int64(len(candidates)); i = next.Add(1) - 1 {
			if candidates[i].face(c) {
				cut.Add(1)
			}
			rest()
		}
	}
	if len(candidates) <= few {
		work(func() {})
		return int(cut.Load())
	}
	var done sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		done.Go(func() { work(runtime.Gosched) })
	}
	done.Wait()
	return int(cut.Load())
}

// face judges the request, and reports whether that ended it.
func (q *Request) face(c Cause) bool {
	q.mu.Lock()
	judge := q.judge
	q.mu.Unlock()
	refusal := judge.Judge(c)
	return refusal != nil && q.cutFor(refusal)
}

// cutFor ends the request. It reports whether this call ended it.
func (q *Request) cutFor(why *Refusal) bool {
	q.mu.Lock()
	open := !q.returned || q.conn != nil && !q.conn.closed
	if !open || q.isCut() {
		q.mu.Unlock()
		return false
	}
	q.end.Store(&end{why, time.Now()})
	q.mu.Unlock()
	q.registry.observer().Cut(why.Reason)
	q.lifetime.end()
	q.sever(false)
	q.registry.chase.add(q)
	return true
}

// sever unblocks a handler that waits for the connection. It reports whether
// there is anything left to end. Unless hard is set, a response that can carry
// a farewell stays writable.
func (q *Request) sever(hard bool) (live bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.conn; c != nil {
		if !c.closed {
			_ = c.SetDeadline(past)
		}
		return !c.closed
	}
	if q.returned {
		return false
	}
	c := q.control()
	_ = c.SetReadDeadline(past)
	if q.begun.Load() && (hard || !q.polite()) {
		q.severed = true
		_ = c.SetWriteDeadline(past)
	}
	return true
}
