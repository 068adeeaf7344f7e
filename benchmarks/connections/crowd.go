package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// connection is an open connection of a user.
type connection struct {
	user  int
	ended chan struct{}
	at    time.Time // when it ended; after ended
	close func()
}

// crowd holds the connections of all users.
type crowd struct {
	all    []*connection
	byUser map[int][]*connection
}

func (c *crowd) close() {
	for _, conn := range c.all {
		conn.close()
	}
}

// streamsPerConnection is below the limit of streams of Go's servers.
const streamsPerConnection = 200

// open opens all connections, a few at a time.
func open(ctx context.Context, s *stage, p plan) (*crowd, error) {
	tokens := make([]string, p.users)
	for user := range tokens {
		var err error
		if tokens[user], err = s.issuer.token(user); err != nil {
			return nil, err
		}
	}
	transports := make([]*http.Transport, p.events2/streamsPerConnection+1)
	for i := range transports {
		transports[i] = &http.Transport{Protocols: new(http.Protocols)}
		transports[i].Protocols.SetUnencryptedHTTP2(true)
	}
	c := &crowd{byUser: make(map[int][]*connection)}
	var (
		mu     sync.Mutex
		failed error
		done   sync.WaitGroup
	)
	slots := make(chan struct{}, 32)
	for i := range p.total() {
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			user := i % p.users
			var (
				conn *connection
				err  error
			)
			switch {
			case i < p.webSockets:
				conn, err = openPlain(ctx, s.app, "/ws", tokens[user], "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
			case i < p.webSockets+p.events1:
				conn, err = openPlain(ctx, s.app, "/sse", tokens[user], "")
			default:
				conn, err = openStream(ctx, transports[i%len(transports)], s.app, tokens[user])
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("opening connection %d: %w", i, err)
				return
			}
			conn.user = user
			c.all = append(c.all, conn)
			c.byUser[user] = append(c.byUser[user], conn)
		})
		if ctx.Err() != nil {
			break
		}
	}
	done.Wait()
	return c, failed
}

// follow records the time at which a connection ends.
func follow(r io.Reader, closed func()) *connection {
	c := &connection{ended: make(chan struct{}), close: closed}
	go func() {
		_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, 64))
		c.at = time.Now()
		close(c.ended)
	}()
	return c
}

// openPlain opens a connection with hand-written HTTP/1.1, which takes little
// memory.
func openPlain(ctx context.Context, address, path, token, headers string) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n", path, address, token, headers); err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReaderSize(conn, 1024)
	status, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if !strings.Contains(status, " 200 ") && !strings.Contains(status, " 101 ") {
		return nil, fmt.Errorf("the gateway answered %s", strings.TrimSpace(status))
	}
	_ = conn.SetReadDeadline(time.Time{})
	return follow(conn, func() { _ = conn.Close() }), nil
}

func openStream(ctx context.Context, t *http.Transport, address, token string) (*connection, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/sse", nil)
	if err != nil {
		cancel()
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := t.RoundTrip(r)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		cancel()
		return nil, fmt.Errorf("the gateway answered %s", resp.Status)
	}
	return follow(resp.Body, cancel), nil
}
