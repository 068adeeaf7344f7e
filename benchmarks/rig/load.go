package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// Request is a GET with a bearer token. Headers are added unchanged.
func Request(host, token string, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET /orders/17 HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nUser-Agent: benchmark/1\r\n", host)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// Load describes the requests of a number of kept-alive HTTP/1.1 connections.
// Each connection sends the requests in turn. The connections begin at
// equal distances, so that together they send every request before any of them
// sends another's.
type Load struct {
	Address     string
	Requests    [][]byte
	Connections int
	// Rate is in requests a second, for all connections together. A rate is an
	// open loop: latencies count from the time a request was due. Zero is a
	// closed loop: each connection sends the next request after its answer.
	Rate float64
}

// Outcome is the result of a load.
type Outcome struct {
	Elapsed   time.Duration
	Statuses  map[int]int64
	Failures  int64 // broken connections
	Latencies *Latencies
}

// Answered returns the number of answers with a status.
func (o *Outcome) Answered() int64 {
	var n int64
	for _, of := range o.Statuses {
		n += of
	}
	return n
}

// Only returns an error unless every request was answered with this status.
func (o *Outcome) Only(status int) error {
	if o.Failures > 0 || len(o.Statuses) != 1 || o.Statuses[status] == 0 {
		return fmt.Errorf("want %d alone, got %v and %d broken connections", status, o.Statuses, o.Failures)
	}
	return nil
}

// Run applies the load until the context ends. It counts the first answer on
// each connection even if it comes later, so that a busy machine still has a
// result.
func (l Load) Run(ctx context.Context) (*Outcome, error) {
	if len(l.Requests) == 0 || l.Connections < 1 {
		return nil, errors.New("a load needs requests and connections")
	}
	all := &Outcome{Statuses: make(map[int]int64), Latencies: new(Latencies)}
	started, offset := time.Now(), rand.IntN(len(l.Requests))
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for i := range l.Connections {
		wg.Go(func() {
			c := client{load: l, at: (offset + i*len(l.Requests)/l.Connections) % len(l.Requests), statuses: make(map[int]int64)}
			c.run(ctx, started.Add(time.Duration(float64(i)*l.gap())))
			mu.Lock()
			defer mu.Unlock()
			all.Failures += c.failures
			all.Latencies.Add(&c.latencies)
			for status, n := range c.statuses {
				all.Statuses[status] += n
			}
		})
	}
	wg.Wait()
	all.Elapsed = time.Since(started)
	return all, nil
}

// gap returns the time between two requests of an open loop, in nanoseconds.
func (l Load) gap() float64 {
	if l.Rate == 0 {
		return 0
	}
	return float64(time.Second) / l.Rate
}

// client is one connection.
type client struct {
	load      Load
	at        int // index of the next request
	conn      net.Conn
	reader    *bufio.Reader
	statuses  map[int]int64
	failures  int64
	latencies Latencies
}

func (c *client) run(ctx context.Context, due time.Time) {
	defer c.close()
	for first := true; first || ctx.Err() == nil; first = false {
		if c.load.Rate == 0 {
			due = time.Now()
		} else if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		status, err := c.exchange()
		switch {
		case ctx.Err() != nil && !first:
			return
		case err != nil:
			c.failures++
			c.close()
			time.Sleep(time.Millisecond)
		default:
			c.statuses[status]++
			c.latencies.Note(time.Since(due))
		}
		due = due.Add(time.Duration(c.load.gap() * float64(c.load.Connections)))
	}
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// exchange sends the next request and reads the answer.
func (c *client) exchange() (status int, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.load.Address); err != nil {
			return 0, err
		}
		c.reader = bufio.NewReaderSize(c.conn, 8<<10)
	}
	if err = c.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	request := c.load.Requests[c.at]
	if c.at++; c.at == len(c.load.Requests) {
		c.at = 0
	}
	if _, err = c.conn.Write(request); err != nil {
		return 0, err
	}
	status, end, err := readAnswer(c.reader)
	if end {
		c.close()
	}
	return status, err
}

var errAnswer = errors.New("not an answer that the load generator reads: it needs Content-Length")

// readAnswer reads one answer. It returns end if the server closes the
// connection.
func readAnswer(r *bufio.Reader) (status int, end bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 {
		return 0, false, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errAnswer
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, errAnswer
			}
		case bytes.EqualFold(name, []byte("Connection")):
			end = bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		return 0, false, errAnswer
	}
	_, err = r.Discard(length)
	return status, end, err
}

// Once sends one request over a new connection, and returns the status.
func Once(address string, request []byte) (int, error) {
	c := client{load: Load{Address: address, Requests: [][]byte{request}}}
	defer c.close()
	return c.exchange()
}
