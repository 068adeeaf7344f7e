package live

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// chaseEvery is the interval between attempts to sever a request that was
	// cut. One attempt is not enough: idle timeouts set new deadlines at each
	// read and write.
	chaseEvery = 20 * time.Millisecond
	// politeFor is the time that a handler has to return before its response is
	// severed without a farewell.
	politeFor = 2 * chaseEvery
	// overdueAfter is the time after which a handler that has not returned is
	// reported. Its reads and writes fail from then on. Nothing else that it
	// does can be stopped.
	overdueAfter = 5 * time.Second
)

// chase follows the requests that were cut until they are over. It uses one
// goroutine, which runs as long as there are such requests.
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

// pursue severs the request again. It returns false once there is nothing left
// to do.
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
		_ = q.conn.Conn.Close() // net/http does not close a hijacked connection
	}
	return false
}

// control returns the controller that sets deadlines. The caller holds q.mu.
func (q *Request) control() *http.ResponseController {
	if q.controller == nil {
		q.controller = http.NewResponseController(q.ResponseWriter)
	}
	return q.controller
}
