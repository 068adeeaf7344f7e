package node

import (
	"sync"

	"curfew.dev/curfew/revocation"
)

// cutting ends live requests in goroutines of its own. Ending ten thousand takes
// a while, and the next entry must be in the index before that. Several entries
// are under way at once, so that a long one does not keep the live requests of
// the others open.
type cutting struct {
	cut    func(revocation.Entry)
	passed func(*cutJob) // in the order of the ledger

	mu      sync.Mutex
	more    sync.Cond
	jobs    []*cutJob // not done, or done before one that is older
	next    int       // index of the first that no cutter has taken
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

// add queues an entry for the cutters.
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

// finish passes on the entry, and the later ones that were done before it.
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
