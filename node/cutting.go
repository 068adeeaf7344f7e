package node

import (
	"sync"

	"curfew.dev/curfew/revocation"
)

// cutting ends live requests beside the goroutine that applies: ending ten
// thousand of them takes a while, and what comes next must not wait for that to
// be in the index. Several entries are under way at once, so that a long one
// does not keep the live requests of the others open.
type cutting struct {
	cut    func(revocation.Entry)
	passed func(*cutJob) // in the order of the ledger

	mu      sync.Mutex
	more    sync.Cond
	jobs    []*cutJob // that are not done, or wait for one before them
	next    int       // the first of them that nobody has begun
	stopped bool
}

type cutJob struct {
	entry  revocation.Entry
	writer string
	done   bool
}

// cutters is how many entries are under way at once.
const cutters = 4

func newCutting(cut func(revocation.Entry), passed func(*cutJob)) *cutting {
	c := &cutting{cut: cut, passed: passed}
	c.more.L = &c.mu
	return c
}

// add leaves an entry to the cutters.
func (c *cutting) add(e revocation.Entry, writer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, &cutJob{entry: e, writer: writer})
	c.more.Signal()
}

// run is one cutter's work until stop.
func (c *cutting) run() {
	for j := c.take(); j != nil; j = c.take() {
		c.cut(j.entry)
		c.finish(j)
	}
}

func (c *cutting) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.more.Broadcast()
}

func (c *cutting) take() *cutJob {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.next == len(c.jobs) && !c.stopped {
		c.more.Wait()
	}
	if c.stopped {
		return nil
	}
	j := c.jobs[c.next]
	c.next++
	return j
}

// finish passes the entry on, and those that waited for it.
func (c *cutting) finish(j *cutJob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.done = true
	for len(c.jobs) > 0 && c.jobs[0].done {
		c.passed(c.jobs[0])
		c.jobs[0] = nil
		c.jobs = c.jobs[1:]
		c.next--
	}
}
