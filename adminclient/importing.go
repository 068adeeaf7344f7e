package adminclient

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// importPatience is how long an import may stand still.
	importPatience = time.Minute
	maxResult      = 1 << 20
)

// ErrIncomplete says that an import ended before every line was answered.
var ErrIncomplete = errors.New("lines were left unanswered")

// Imported is the outcome of one line of an import.
type Imported struct {
	Line     int      `json:"line"` // counted from 1, blank ones included
	Status   int      `json:"status"`
	ID       string   `json:"id"`
	Position string   `json:"position"`
	Problem  *Problem `json:"problem"`
	Raw      []byte   `json:"-"` // JSON; valid until the next outcome
}

// Import signs out many: NDJSON of [Revocation]. It yields the outcome of each
// line in order, while lines are still being read. The sequence can be used
// once. It ends with the first error, [ErrIncomplete] if outcomes are missing. To
// go on, send the same lines with the same key: what was done is not done twice.
func (c *Client) Import(ctx context.Context, lines io.Reader, key string) iter.Seq2[Imported, error] {
	if key == "" {
		key = rand.Text()
	}
	return func(yield func(Imported, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		idle := newIdleTimer(importPatience, cancel)
		defer idle.stop()
		sent := &lineCounter{Reader: lines}
		resp, err := c.open(ctx, http.MethodPost, "/v1/revocations/import", idle.source(sent),
			field{"Content-Type", "application/x-ndjson"}, field{"Idempotency-Key", key})
		if err != nil {
			yield(Imported{}, err)
			return
		}
		defer resp.Body.Close()
		outcomes := outcomeReader{lines: bufio.NewScanner(idle.answer(resp.Body))}
		outcomes.lines.Buffer(nil, maxResult)
		for {
			o, err := outcomes.next()
			if errors.Is(err, io.EOF) {
				err = outcomes.complete(int(sent.count.Load()))
				if err == nil {
					return
				}
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// outcomeReader reads the outcomes of an import.
type outcomeReader struct {
	lines *bufio.Scanner
	count int
}

func (r *outcomeReader) next() (o Imported, err error) {
	for r.lines.Scan() {
		if len(bytes.TrimSpace(r.lines.Bytes())) == 0 {
			continue
		}
		if err := json.Unmarshal(r.lines.Bytes(), &o); err != nil {
			return Imported{}, fmt.Errorf("%w: reading the results: %w", ErrUnreachable, err)
		}
		if o.Problem != nil {
			o.Problem.Status = o.Status
		}
		o.Raw = r.lines.Bytes()
		r.count++
		return o, nil
	}
	if err := r.lines.Err(); err != nil {
		return o, fmt.Errorf("%w: reading the results: %w", ErrUnreachable, err)
	}
	return o, io.EOF
}

// complete misses outcomes that never came.
func (r *outcomeReader) complete(sent int) error {
	if r.count < sent {
		return fmt.Errorf("%w: the gateway answered %d of %d lines", ErrIncomplete, r.count, sent)
	}
	return nil
}

// lineCounter counts the lines that are read through it, but not empty ones.
type lineCounter struct {
	io.Reader
	count atomic.Int64
	text  bool // the current line has some
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	for _, b := range p[:n] {
		switch b {
		case '\n':
			c.text = false
		case '\r':
		default:
			if !c.text {
				c.count.Add(1)
			}
			c.text = true
		}
	}
	return n, err
}
