//go:build e2e

package fleet

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// line says what passes between a gateway and the servers.
type line int

// The states of a line. What is held back is not lost, as with packets that
// are dropped and sent again: it passes once the line is open. No end of a
// connection passes either, so both ends are half open.
const (
	open       line = iota
	cutBoth         // nothing passes
	cutUp           // nothing of the gateway's
	cutDown         // nothing of the servers'
	refused         // connections are reset, and so are new ones
	linesCount      // how many there are
)

func (l line) String() string {
	return [...]string{"open", "cut both ways", "cut towards the servers", "cut towards the gateway", "reset"}[l]
}

// relay is a gateway's way to one server.
type relay struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	changed *sync.Cond
	line    line
	ended   bool
	pairs   map[net.Conn]net.Conn // of accepted ones and what they lead to
}

func newRelay(to string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, to: to, pairs: make(map[net.Conn]net.Conn)}
	r.changed = sync.NewCond(&r.mu)
	go r.serve()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) serve() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.carry(from.(*net.TCPConn))
	}
}

// set changes what passes.
func (r *relay) set(l line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = l
	if l == refused {
		r.breakAll()
	}
	r.changed.Broadcast()
}

// breakAll resets every connection. The caller holds mu.
func (r *relay) breakAll() {
	for a, b := range r.pairs {
		reset(a)
		reset(b)
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok && tcp != nil {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
}

func (r *relay) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.breakAll()
	r.changed.Broadcast()
}

// wait returns once nothing of what is named is in the way. False: the
// connection is to be reset.
func (r *relay) wait(but ...line) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		blocked := false
		for _, l := range but {
			blocked = blocked || r.line == l
		}
		if r.ended || r.line == refused {
			return false
		}
		if !blocked {
			return true
		}
		r.changed.Wait()
	}
}

func (r *relay) carry(from *net.TCPConn) {
	defer reset(from)
	if !r.wait(cutBoth, cutUp, cutDown) { // no handshake is completed
		return
	}
	dialled, err := net.DialTimeout("tcp", r.to, time.Second)
	if err != nil {
		return
	}
	to := dialled.(*net.TCPConn)
	defer reset(to)
	r.mu.Lock()
	r.pairs[from] = to
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.pairs, from)
		r.mu.Unlock()
	}()
	var both sync.WaitGroup
	both.Go(func() { r.pass(to, from, cutBoth, cutUp) })
	both.Go(func() { r.pass(from, to, cutBoth, cutDown) })
	both.Wait()
}

func (r *relay) pass(to, from *net.TCPConn, but ...line) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.wait(but...) {
			reset(to)
			reset(from)
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				reset(from)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			reset(to)
			return
		}
	}
}
