package live

import (
	"net"
	"sync"
	"time"
)

// conn is a hijacked connection.
type conn struct {
	net.Conn
	q *Request

	writing sync.Mutex
	frames  frames // guarded by writing
	closed  bool   // guarded by q.mu
}

type closeWriter interface{ CloseWrite() error }

// halfConn is a conn whose write direction can be closed alone.
type halfConn struct {
	*conn
	inner closeWriter
}

// CloseWrite tells the peer that no more data follows.
func (c *halfConn) CloseWrite() error { return c.inner.CloseWrite() }

// Write fails after the request was cut.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.q.isCut() {
		return 0, errCut
	}
	n, err := c.Conn.Write(p)
	if c.q.protocol == WebSocket {
		c.frames.advance(p[:n])
	}
	return n, err
}

// farewellTime is the time limit for writing a close frame. It suffices for a
// socket buffer that has room. A peer that does not read gets no close frame.
const farewellTime = 50 * time.Millisecond

// Close sends a close frame on a WebSocket that was cut, if the last frame is
// complete.
func (c *conn) Close() error {
	c.q.mu.Lock()
	again := c.closed
	c.closed = true
	returned := c.q.returned
	c.q.mu.Unlock()
	if why := c.q.end.Load(); !again && why != nil && c.q.protocol == WebSocket {
		c.writing.Lock() // a write in progress returns at once, since its deadline has passed
		if c.frames.between() {
			_ = c.SetWriteDeadline(time.Now().Add(farewellTime))
			_, _ = c.Conn.Write(closeFrame(why.CloseCode))
		}
		c.writing.Unlock()
	}
	err := c.Conn.Close()
	if !again && returned {
		c.q.over()
	}
	return err
}
