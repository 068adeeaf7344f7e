package nats_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// heard is a follower that records every call.
type heard struct {
	mu      sync.Mutex
	entries []revocation.Entry
	writers []string
	ticks   []ledger.Tick
	rosters []ledger.Tick // ticks without a writer
	beats   []ledger.Heartbeat
	acks    []ledger.Acknowledgement
}

func (h *heard) Applied(e revocation.Entry, writer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries, h.writers = append(h.entries, e), append(h.writers, writer)
}

func (h *heard) Ticked(t ledger.Tick) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.By == "" {
		h.rosters = append(h.rosters, t)
		return
	}
	h.ticks = append(h.ticks, t)
}

func (h *heard) Heard(b ledger.Heartbeat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beats = append(h.beats, b)
}

func (h *heard) Acknowledged(a ledger.Acknowledgement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acks = append(h.acks, a)
}

func (h *heard) Asked(ref revocation.Ref) (ledger.Answer, bool) {
	return ledger.Answer{Node: "asked", Cut: int(ref.Sequence)}, ref.Item == 0
}

func (h *heard) reasons() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.entries {
		for i := range e.Records {
			all = append(all, e.Records[i].Reason)
		}
	}
	return all
}

// edge is a node's ledger with a follower.
type edge struct {
	*nats.Ledger
	heard
	t       testing.TB
	options nats.Options
	stop    context.CancelFunc
	ended   chan error
}

// fleetOptions returns the options of a node called name with a replica of its own.
func fleetOptions(t testing.TB, c *natstest.Cluster, name string) nats.Options {
	return nats.Options{URLs: c.URLs(), Replicas: len(c.URLs()), Dir: t.TempDir(), Node: name + "/1", OnEmpty: local.Start}
}

// join opens a ledger and follows it.
func join(t testing.TB, o nats.Options) *edge {
	t.Helper()
	l, err := nats.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{Ledger: l, t: t, options: o, ended: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() { e.ended <- l.Follow(ctx, revocation.Position{}, &e.heard) }()
	t.Cleanup(func() { e.leave() })
	return e
}

func (e *edge) leave() {
	e.stop()
	if err := e.Close(); err != nil && e.Err() == nil {
		e.t.Errorf("closing %s: %v", e.options.Node, err)
	}
}

// listens waits until the follower was registered.
func (e *edge) listens() {
	e.t.Helper()
	until(e.t, e.options.Node+" listens", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.rosters) > 0 })
}

func (e *edge) write(reason string) revocation.Position {
	e.t.Helper()
	p, _, err := e.Append(e.t.Context(), []revocation.Record{cut("alice", reason)}, ledger.Idempotency{})
	if err != nil {
		e.t.Fatalf("%s writes %s: %v", e.options.Node, reason, err)
	}
	return p
}

func (e *edge) tick() error {
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	return e.Tick(ctx, []ledger.Echo{{Node: e.options.Node, Nonce: 1, MaxStaleness: time.Minute}}, nil)
}

// patience is the time limit of a wait on a busy machine.
const patience = time.Minute

// until waits until a condition holds.
func until(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (e *edge) reaches(p revocation.Position) {
	e.t.Helper()
	defer func() {
		if e.t.Failed() {
			e.t.Logf("%s: head %s, %v, %v", e.options.Node, e.Head().Position, e.Err(), e.Connection().Problem)
		}
	}()
	until(e.t, fmt.Sprintf("%s reaches %s", e.options.Node, p), func() bool { return e.Head().Position.Compare(p) >= 0 })
}

// breaks waits until the ledger fails for a given reason.
func (e *edge) breaks(why string) {
	e.t.Helper()
	until(e.t, e.options.Node+" notices", func() bool { return e.Err() != nil })
	if err := e.Err(); !errors.Is(err, ledger.ErrIntegrity) || !strings.Contains(err.Error(), why) {
		e.t.Fatalf("%s says %q, want %q", e.options.Node, err, why)
	}
	if _, _, err := e.Append(e.t.Context(), []revocation.Record{cut("alice", "too late")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrIntegrity) {
		e.t.Fatalf("a broken ledger answers an append with %v", err)
	}
	select {
	case err := <-e.ended:
		if !errors.Is(err, ledger.ErrIntegrity) {
			e.t.Fatalf("following ended with %v", err)
		}
	case <-time.After(patience):
		e.t.Fatal("following a broken ledger goes on")
	}
}

func cut(sub, reason string) revocation.Record {
	return revocation.Record{
		Type: revocation.Cut, Mode: revocation.SignIn, Target: revocation.Target{Issuer: "https://login.example.com", Subject: sub},
		At: 1_760_000_000_123, Through: 1_760_000_002, Source: "admin", Reason: reason, Time: 1_760_000_000_456,
	}
}

func block(sub, reason string) revocation.Record {
	r := cut(sub, reason)
	return revocation.Record{Type: revocation.Block, Target: r.Target, Source: r.Source, Reason: reason, Time: r.Time}
}

// raw returns a client with which a test damages the stream.
func raw(t testing.TB, c *natstest.Cluster) jetstream.JetStream {
	t.Helper()
	conn, err := client.Connect(strings.Join(c.URLs(), ","), client.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func mark(t testing.TB, e *edge, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(e.options.Dir, name), []byte("a test"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// options returns the options of a node with a replica in dir.
func options(c *natstest.Cluster, dir string) nats.Options {
	sum := sha256.Sum256([]byte(dir))
	return nats.Options{
		URLs: c.URLs(), Stream: hex.EncodeToString(sum[:8]), Replicas: len(c.URLs()),
		Dir: dir, Node: "edge-1/" + hex.EncodeToString(sum[8:10]), OnEmpty: local.Start,
	}
}

// following waits until a ledger has begun and its node follows it.
func following(t testing.TB, l *nats.Ledger) {
	t.Helper()
	until(t, "the ledger is followed", func() bool {
		if err := l.Err(); err != nil {
			t.Fatal(err)
		}
		return l.Connection().Problem == nil && l.Head() != ledger.Head{}
	})
}
