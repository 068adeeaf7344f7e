package node_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// sharedLog is a log that several nodes share, and the network between them. Its
// time is that of the bubble that it is in.
type sharedLog struct {
	mu    sync.Mutex
	moved sync.Cond
	log   []logged
	ends  map[*end]bool
	disks map[string]int // by node name: how much of the log its replica has
	at    revocation.Position
	ticks map[string]int // appended, by node
	// lose says which messages get lost; nil: none.
	lose  func(from, to string) bool
	delay time.Duration
}

type logged struct {
	entry  revocation.Entry
	writer string
	key    ledger.Idempotency
	tick   *ledger.Tick
	due    time.Time // when it reaches everybody
}

func newSharedLog() *sharedLog {
	s := &sharedLog{ends: make(map[*end]bool), disks: make(map[string]int), ticks: make(map[string]int), delay: time.Millisecond}
	s.moved.L = &s.mu
	s.write(logged{entry: revocation.Entry{Records: []revocation.Record{{Type: revocation.Genesis, Source: "genesis"}}}})
	return s
}

// write appends. The caller holds mu, or is alone.
func (s *sharedLog) write(l logged) revocation.Position {
	if l.tick == nil {
		if s.at.Epoch == 0 {
			s.at.Epoch = 1
		}
		s.at.Sequence++
		l.entry.Position = s.at
	}
	l.due = time.Now().Add(s.delay)
	s.log = append(s.log, l)
	s.moved.Broadcast()
	return l.entry.Position
}

// end is a node's end of the log: its connection and its replica.
type end struct {
	ledger.Ledger // nothing: what is not below is not called
	shared        *sharedLog
	id, name      string

	// Under shared.mu.
	disk     int  // what the replica has
	told     int  // what the follower was told
	down     bool // it reaches nobody, and nobody it
	stuck    bool // the log does not come
	detour   bool // it does come another way
	mute     bool // acknowledgements get lost
	readOnly bool
	silent   bool // appends are durable, and not answered
	offset   time.Duration
	verified bool
	failure  error
	closed   bool
	mail     []letter
	said     []ledger.Heartbeat
	format   int                         // that it tells in place of its own; negative: none, as builds before formats
	entered  uint64                      // behind which trim it began
	lacks    func(revocation.Entry) bool // what that trim forgot
	old      bool                        // its build says nothing of horizons
	creeping bool                        // a failure is not noticed by following
	moved    int                         // how often it was asked for another way
}

type letter struct {
	due time.Time
	to  func(ledger.Follower)
}

func (s *sharedLog) open(name, instance string) *end {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &end{shared: s, id: name + "/" + instance, name: name, disk: s.disks[name], verified: true}
	s.ends[e] = true
	return e
}

// set changes the state of an end.
func (e *end) set(change func(*end)) {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	change(e)
	e.shared.moved.Broadcast()
}

func (e *end) Append(ctx context.Context, records []revocation.Record, key ledger.Idempotency) (revocation.Position, bool, error) {
	time.Sleep(e.shared.delay)
	s := e.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := e.unreachable(); err != nil {
		return revocation.Position{}, false, err
	}
	var pos revocation.Position
	replayed := false
	for _, l := range s.log {
		if !key.IsZero() && l.key.Key == key.Key {
			pos, replayed = l.entry.Position, true
		}
	}
	if !replayed {
		pos = s.write(logged{entry: revocation.Entry{Records: records}, writer: e.id, key: key})
	}
	if e.silent {
		return revocation.Position{}, false, ledger.ErrOutcomeUnknown
	}
	stop := context.AfterFunc(ctx, func() { e.set(func(*end) {}) })
	defer stop()
	for !replayed && e.toldPosition().Compare(pos) < 0 {
		if ctx.Err() != nil || e.closed || e.failure != nil {
			return revocation.Position{}, false, ledger.ErrOutcomeUnknown
		}
		s.moved.Wait()
	}
	return pos, replayed, nil
}

// unreachable says why nothing can be written. The caller holds mu.
func (e *end) unreachable() error {
	switch {
	case e.failure != nil:
		return e.failure
	case e.down || e.closed:
		return fmt.Errorf("%w: not connected", ledger.ErrUnavailable)
	case e.readOnly:
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly)
	}
	return nil
}

func (e *end) toldPosition() (at revocation.Position) {
	for _, l := range e.shared.log[:e.told] {
		if l.tick == nil {
			at = l.entry.Position
		}
	}
	return at
}

func (e *end) Read(_ context.Context, after revocation.Position, yield func(revocation.Entry) error) error {
	e.shared.mu.Lock()
	have := slices.Clone(e.shared.log[:max(e.disk, e.told)])
	e.shared.mu.Unlock()
	for _, l := range have {
		if l.tick == nil && l.entry.Position.Compare(after) > 0 {
			if err := yield(l.entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *end) Get(_ context.Context, ref revocation.Ref) (revocation.Record, error) {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	for _, l := range e.shared.log[:max(e.disk, e.told)] {
		if l.tick == nil && l.entry.Position == ref.Position && int(ref.Item) < len(l.entry.Records) {
			return l.entry.Records[ref.Item], nil
		}
	}
	return revocation.Record{}, ledger.ErrNotFound
}

func (e *end) Head() ledger.Head {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	return ledger.Head{Position: e.toldPosition()}
}

func (e *end) Err() error {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	return e.failure
}

func (e *end) Close() error {
	e.set(func(e *end) { e.closed = true; delete(e.shared.ends, e) })
	return nil
}

// known is who may be serving by the ticks of the log before an index: the
// newest echo of each node, while it lasts. The caller holds mu.
func (s *sharedLog) known(before int) (t ledger.Tick) {
	newest := make(map[string]ledger.Echo)
	at := make(map[string]time.Time)
	for _, l := range s.log[:before] {
		if l.tick == nil {
			continue
		}
		left := true
		for _, e := range l.tick.Echoes {
			left = left && e.Node != l.tick.By
			if e.Nonce > newest[e.Node].Nonce {
				newest[e.Node], at[e.Node] = e, l.due
			}
		}
		if left {
			delete(newest, l.tick.By)
		}
	}
	for id, e := range newest {
		if s.log[before-1].due.Sub(at[id]) <= 2*e.MaxStaleness {
			t.Echoes = append(t.Echoes, e)
		}
	}
	return t
}

// Follow begins with what a replica's mark knows of ticks.
func (e *end) Follow(ctx context.Context, after revocation.Position, f ledger.Follower) error {
	s := e.shared
	stop := context.AfterFunc(ctx, func() { e.set(func(*end) {}) })
	defer stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { e.deliver(ctx, f) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for e.told < len(s.log) {
		if l := &s.log[e.told]; l.tick == nil && l.entry.Position.Compare(after) > 0 || l.tick != nil && e.told >= e.disk {
			break
		}
		e.told++
	}
	known := s.known(e.told)
	s.mu.Unlock()
	f.Ticked(known)
	s.mu.Lock()
	for {
		for ctx.Err() == nil && (e.failure == nil || e.creeping) && (e.down || e.stuck || e.told == len(s.log)) {
			s.moved.Wait()
		}
		if ctx.Err() != nil || e.failure != nil && !e.creeping {
			return e.failure
		}
		l := s.log[e.told]
		s.mu.Unlock()
		time.Sleep(time.Until(l.due))
		if l.tick != nil {
			t := *l.tick
			t.Stamp, t.Sequence, t.Entered = l.due, uint64(e.told+1), e.entered
			f.Ticked(t)
		} else {
			if e.lacks != nil && e.lacks(l.entry) {
				l.entry.Records = nil
			}
			f.Applied(l.entry, l.writer)
		}
		s.mu.Lock()
		e.told++
		s.disks[e.name] = max(s.disks[e.name], e.told)
		s.moved.Broadcast()
	}
}

// deliver brings the mail.
func (e *end) deliver(ctx context.Context, f ledger.Follower) {
	s := e.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for ctx.Err() == nil && len(e.mail) == 0 {
			s.moved.Wait()
		}
		if ctx.Err() != nil {
			return
		}
		l := e.mail[0]
		e.mail = e.mail[1:]
		s.mu.Unlock()
		time.Sleep(time.Until(l.due))
		l.to(f)
		s.mu.Lock()
	}
}

// send sends a message to the ends that for_ picks, unless it gets lost.
func (e *end) send(for_ func(*end) bool, to func(ledger.Follower)) {
	s := e.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.down || e.closed {
		return
	}
	for other := range s.ends {
		if for_(other) && !other.down && !other.closed && (s.lose == nil || !s.lose(e.id, other.id)) {
			other.mail = append(other.mail, letter{time.Now().Add(s.delay), to})
		}
	}
	s.moved.Broadcast()
}

func (e *end) Say(h ledger.Heartbeat) error {
	e.set(func(e *end) {
		if e.format != 0 {
			h.Format = max(0, e.format)
		}
		e.said = append(e.said, h)
	})
	e.send(func(*end) bool { return true }, func(f ledger.Follower) { f.Heard(h) })
	return nil
}

func (e *end) Acknowledge(writer string, a ledger.Acknowledgement) error {
	e.shared.mu.Lock()
	mute := e.mute
	e.shared.mu.Unlock()
	if !mute {
		e.send(func(other *end) bool { return other.id == writer }, func(f ledger.Follower) { f.Acknowledged(a) })
	}
	return nil
}

func (e *end) Ask(ctx context.Context, ref revocation.Ref, want int) []ledger.Answer {
	answers := make(chan ledger.Answer, 100)
	e.send(func(other *end) bool { return other != e }, func(f ledger.Follower) {
		if a, ok := f.Asked(ref); ok {
			answers <- a
		}
	})
	var all []ledger.Answer
	for len(all) < want {
		select {
		case a := <-answers:
			all = append(all, a)
		case <-ctx.Done():
			return all
		}
	}
	return all
}

func (e *end) Tick(_ context.Context, echoes []ledger.Echo, horizons *ledger.Horizons) error {
	time.Sleep(e.shared.delay)
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	if err := e.unreachable(); err != nil {
		return err
	}
	if e.old {
		horizons = nil
	}
	e.shared.ticks[e.id]++
	e.shared.write(logged{tick: &ledger.Tick{By: e.id, Echoes: slices.Clone(echoes), Horizons: horizons}})
	return nil
}

// Elsewhere takes the detour, if there is one.
func (e *end) Elsewhere() bool {
	moves := false
	e.set(func(e *end) {
		if moves = !e.down; moves {
			e.moved, e.stuck = e.moved+1, e.stuck && !e.detour
		}
	})
	return moves
}

// moves is how often it was asked for another way.
func (e *end) moves() int {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	return e.moved
}

func (e *end) Connection() ledger.Connection {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	c := ledger.Connection{Offset: e.offset, Measured: e.offset != 0, Verified: e.verified, ReadOnly: e.readOnly}
	if e.down {
		c.Problem = fmt.Errorf("%w: not connected", ledger.ErrUnavailable)
	}
	return c
}

func (s *sharedLog) allTicks() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.ticks {
		n += k
	}
	return n
}

// testNode is a node of the fleet.
type testNode struct {
	*node.Node
	at       *atomic.Pointer[end] // of this start
	shared   *sharedLog
	name     string
	starts   int
	settings node.Settings
	now      func() time.Time
	live     *live.Registry
	keeps    *kept // what it verified, and its doubts; nil: nothing
	opened   func(*end) error
	facts    func() map[string]uint64

	everywhere *atomic.Pointer[time.Duration] // of the newest record that all nodes enforce
}

// start starts a node that is closed when the test ends.
func (s *sharedLog) start(t *testing.T, name string, settings node.Settings, with ...func(*testNode)) *testNode {
	b := &testNode{shared: s, name: name, settings: settings}
	for _, w := range with {
		w(b)
	}
	b.start(t)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func (b *testNode) start(t fataler) {
	t.Helper()
	b.starts++
	instance := fmt.Sprint(b.starts)
	at := new(atomic.Pointer[end])
	b.at = at
	if b.everywhere == nil {
		b.everywhere = new(atomic.Pointer[time.Duration])
	}
	cfg := node.Config{
		Name: b.name, Instance: instance, Now: b.now, Live: b.live, Observer: b, Facts: b.facts,
		Open: func() (ledger.Ledger, error) {
			e := b.shared.open(b.name, instance)
			if b.opened != nil {
				if err := b.opened(e); err != nil {
					_ = e.Close()
					return nil, err
				}
			}
			at.Store(e)
			return e, nil
		},
	}
	if b.keeps != nil {
		cfg.Newest, cfg.Observer = b.keeps, b.keeps
	}
	b.Node = node.New(cfg)
	b.Configure(b.settings)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
}

func (b *testNode) end() *end { return b.at.Load() }

func (b *testNode) Appended(time.Duration, error)                    {}
func (b *testNode) Written(revocation.Position, []revocation.Record) {}
func (b *testNode) Enforced(string, time.Duration)                   {}
func (b *testNode) EnforcedEverywhere(took time.Duration)            { b.everywhere.Store(&took) }
func (b *testNode) Replayed(node.Replay)                             {}
func (b *testNode) Changed(node.State, error)                        {}
func (b *testNode) Doubted(node.ClockDoubt, time.Duration)           {}
func (b *testNode) down(is bool)                                     { b.end().set(func(e *end) { e.down = is }) }

func (b *testNode) submit(t fataler, sub string) node.Written {
	t.Helper()
	w, err := b.Submit(context.Background(), []revocation.Record{cutOf(sub)}, ledger.Idempotency{})
	if err != nil {
		t.Fatalf("%s: %v", b.ID(), err)
	}
	return w
}

func (b *testNode) mustBe(t fataler, want node.State) {
	t.Helper()
	if got := b.State(); got != want {
		t.Fatalf("%s is %s (%v), want %s", b.ID(), got, b.Why(), want)
	}
}

func (b *testNode) enforcement(t fataler, w node.Written) node.Enforcement {
	t.Helper()
	r := cutOf("x")
	return b.ReceiptOf(&r, revocation.Ref{Position: w.Position}).Enforcement
}

// states of the nodes of a receipt, in its order.
func states(e node.Enforcement) (all []string) {
	for _, n := range e.Nodes {
		all = append(all, n.Node+" "+n.State)
	}
	return all
}

const soon = 500 * time.Millisecond // enough for a start
