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
	frames  frames // owned by writing
	closed  bool   // under q.mu
}

type closeWriter interface{ CloseWrite() error }

// halfConn is a conn that can close one direction alone.
type halfConn struct {
	*conn
	inner closeWriter
}

// CloseWrite tells the peer that nothing more comes.
func (c *halfConn) CloseWrite() error { return c.inner.CloseWrite() }

// Write fails once the request was cut.
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

// farewellTime is how long a close frame may take. It is for a socket buffer
// that has room, not for a peer that doesn't read.
const farewellTime = 50 * time.Millisecond

// Close sends a WebSocket that was cut its close frame, where one can stand.
func (c *conn) Close() error {
	c.q.mu.Lock()
	again := c.closed
	c.closed = true
	returned := c.q.returned
	c.q.mu.Unlock()
	if why := c.q.end.Load(); !again && why != nil && c.q.protocol == WebSocket {
		c.writing.Lock() // a write under way ends at once, its deadline is past
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
