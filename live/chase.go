package live

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// chaseEvery is how often what was cut is severed again: idle timeouts set
	// deadlines anew at each read and write.
	chaseEvery = 20 * time.Millisecond
	// politeFor is how long a handler may take to come back for last words.
	politeFor = 2 * chaseEvery
	// overdueAfter is when a handler that has not returned is reported. Its
	// reads and writes fail for good; what else it does is out of reach.
	overdueAfter = 5 * time.Second
)

// chase follows the requests that were cut until they are over, in one
// goroutine that runs while there are any.
type chase struct {
	mu      sync.Mutex
	running bool
	added   []*Request
}

func (c *chase) add(q *Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added = append(c.added, q)
	if !c.running {
		c.running = true
		go c.run()
	}
}

func (c *chase) run() {
	tick := time.NewTicker(chaseEvery)
	defer tick.Stop()
	var after []*Request
	for {
		<-tick.C
		c.mu.Lock()
		after = append(after, c.added...)
		c.added = nil
		c.mu.Unlock()
		now := time.Now()
		after = slices.DeleteFunc(after, func(q *Request) bool { return !q.pursue(now) })
		c.mu.Lock()
		if len(after) == 0 && len(c.added) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

// pursue severs the request again, and reports whether to go on.
func (q *Request) pursue(now time.Time) bool {
	took := now.Sub(q.end.Load().at)
	if !q.sever(took >= politeFor) {
		return false
	}
	if took < overdueAfter {
		return true
	}
	q.registry.observer().Overdue(q.protocol, took)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.conn != nil {
		_ = q.conn.Conn.Close() // it was handed over: nobody else will
	}
	return false
}

// control finds the means to set deadlines. For the holder of q.mu.
func (q *Request) control() *http.ResponseController {
	if q.controller == nil {
		q.controller = http.NewResponseController(q.ResponseWriter)
	}
	return q.controller
}
