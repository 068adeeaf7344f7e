package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Bounds of what is under way. What waits meanwhile flies together.
const (
	urgentFlights = 4
	bulkFlights   = 1
	laneLength    = 4096
	batchLength   = 1024
	batchBytes    = 256 << 10
	// bulkRecords is from how many records on an entry is bulk: an import, or
	// what a trim writes again. It must not hold up a single sign-out.
	bulkRecords = 16
	// answerWithin is how long an append may take before its outcome is
	// unknown.
	answerWithin = 5 * time.Second
)

// lane is a queue of appends of its own.
type lane struct {
	queue  chan *request
	slots  chan struct{}
	landed sync.WaitGroup // the flights and the loop that starts them

	gate   sync.RWMutex
	closed bool
}

func newLane(flights int) *lane {
	return &lane{queue: make(chan *request, laneLength), slots: make(chan struct{}, flights)}
}

func (n *lane) close() {
	n.gate.Lock()
	defer n.gate.Unlock()
	n.closed = true
	close(n.queue)
}

// send queues a request, unless the lane is closed or ctx ends.
func (n *lane) send(ctx context.Context, r *request) error {
	n.gate.RLock()
	defer n.gate.RUnlock()
	if n.closed {
		return fmt.Errorf("%w: it is closed", ledger.ErrUnavailable)
	}
	select {
	case n.queue <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, ctx.Err())
	}
}

// request is an append on its way.
type request struct {
	ctx    context.Context
	entry  entry
	answer chan outcome
}

// flight is a batch on its way: it has landed when it came round.
type flight struct {
	number   uint64
	requests []*request
	sent     time.Time
	landed   chan struct{} // closed when it came round
	sequence uint64        // where it was acknowledged
	outcomes []outcome
}

// Append makes records durable as one entry. See [ledger.Ledger] and
// [ledger.Shared].
func (l *Ledger) Append(ctx context.Context, records []revocation.Record, key ledger.Idempotency) (revocation.Position, bool, error) {
	r, err := l.newRequest(ctx, records, key)
	if err != nil {
		return revocation.Position{}, false, err
	}
	if done, known := l.already(key); known {
		return done.position, done.replayed, done.err
	}
	if err := l.ready(ctx); err != nil {
		return revocation.Position{}, false, err
	}
	lane := l.urgent
	if len(records) >= bulkRecords {
		lane = l.bulk
	}
	if err := lane.send(ctx, r); err != nil {
		return revocation.Position{}, false, err
	}
	select {
	case a := <-r.answer:
		return a.position, a.replayed, a.err
	case <-ctx.Done():
		return revocation.Position{}, false, fmt.Errorf("%w: %w while it was being written", ledger.ErrOutcomeUnknown, ctx.Err())
	}
}

func (l *Ledger) newRequest(ctx context.Context, records []revocation.Record, key ledger.Idempotency) (*request, error) {
	payload := revocation.AppendRecords(nil, records)
	if limit := l.maxEntry(); len(payload) > limit {
		return nil, fmt.Errorf("%w: an entry of %d bytes, the servers take %d: append fewer records at once", revocation.ErrRecord, len(payload), limit)
	}
	if _, err := revocation.DecodeRecords(payload); err != nil {
		return nil, err
	}
	// A whole second is the same in memory, in a message and in a replica.
	key.Expires = key.Expires.Add(time.Second - 1).Truncate(time.Second)
	return &request{ctx: ctx, entry: entry{key, payload}, answer: make(chan outcome, 1)}, nil
}

// maxEntry is what a message can hold beside its own frame.
func (l *Ledger) maxEntry() int {
	limit := int(l.conn.MaxPayload())
	if limit <= 0 {
		limit = 1 << 20
	}
	return limit - 4096
}

// already finds an entry of the same key, so that a retry needs no server.
func (l *Ledger) already(key ledger.Idempotency) (outcome, bool) {
	if key.IsZero() {
		return outcome{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Where that can't be told, the log does.
	done, known, _ := l.fold.used(&step{}, &entry{Key: key}, l.options.Now())
	if done.err != nil {
		done.position = revocation.Position{}
	}
	return done, known
}

// ready says why nothing can be appended now: then nothing was.
func (l *Ledger) ready(ctx context.Context) error {
	if err := l.Err(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, err)
	}
	// A ledger that was just opened is worth a moment's wait.
	for first := true; ; first = false {
		c := l.Connection()
		switch {
		case c.ReadOnly:
			return fmt.Errorf("%w: %w: its NATS credentials don't permit publishing to %s; see docs/cluster.md", ledger.ErrUnavailable, ledger.ErrReadOnly, l.options.subject("log.entry"))
		case c.Problem == nil:
			return nil
		case !first && l.everFollowed():
			return fmt.Errorf("%w: %w", ledger.ErrUnavailable, c.Problem)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ledger.ErrUnavailable, c.Problem)
		case <-l.failed:
			return l.Err()
		case <-l.ctx.Done():
			return fmt.Errorf("%w: it is closed", ledger.ErrUnavailable)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fly sends what waits in a lane, for as long as the lane is open.
func (l *Ledger) fly(n *lane) {
	var left *request // behind
	for r := range n.queue {
		for ; r != nil; r = left {
			n.slots <- struct{}{}
			var f *flight
			if f, left = l.board(n, r); f == nil {
				<-n.slots
				continue
			}
			n.landed.Go(func() {
				defer func() { <-n.slots }()
				l.publish(f)
			})
		}
	}
}

// board takes what is in the queue, as far as it fits into a message. What does
// not is left. Who has given up is told that nothing was written.
func (l *Ledger) board(n *lane, r *request) (f *flight, left *request) {
	f = &flight{landed: make(chan struct{})}
	limit, size := l.maxEntry(), 0
	for ok := true; ok; {
		needs := len(r.entry.Records) + 96
		switch err := r.ctx.Err(); {
		case err != nil:
			r.answer <- outcome{err: fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, err)}
		case size > 0 && size+needs > limit:
			return f, r
		default:
			f.requests = append(f.requests, r)
			size += needs
		}
		if len(f.requests) >= batchLength || size >= batchBytes/2 {
			break
		}
		select {
		case r, ok = <-n.queue:
		default:
			ok = false
		}
	}
	if len(f.requests) == 0 {
		return nil, nil
	}
	return f, nil
}

// publish sends a flight and answers everybody on it.
func (l *Ledger) publish(f *flight) {
	b := batch{Writer: l.options.Node, Entries: make([]entry, len(f.requests))}
	for i, r := range f.requests {
		b.Entries[i] = r.entry
	}
	l.mu.Lock()
	l.number++
	f.number, b.Number = l.number, l.number
	f.sent = l.options.Now()
	l.flights[f.number] = f
	followed := l.fold.Sequence
	l.mu.Unlock()
	err := l.send(b.encode(), f, followed)
	l.mu.Lock()
	delete(l.flights, f.number)
	delete(l.acked, f.sequence)
	l.mu.Unlock()
	for i, r := range f.requests {
		o := outcome{err: err}
		if err == nil {
			o = f.outcomes[i]
		}
		if o.err != nil {
			o.position, o.replayed = revocation.Position{}, false
		}
		r.answer <- o
	}
}

// send publishes and waits until the message was acknowledged and has come
// round. The error says whether it may yet.
func (l *Ledger) send(data []byte, f *flight, followed uint64) error {
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	ack, err := l.publishMsg(ctx, kindEntry, data)
	if err == nil {
		if err := l.acknowledged(f, ack.Sequence, followed); err != nil {
			return l.fail(err)
		}
	} else if certain := l.notWritten(err); certain != nil {
		return certain
	}
	select {
	case <-f.landed: // only what is committed comes round
		return nil
	case <-l.failed:
		return l.Err()
	case <-ctx.Done():
	}
	if l.Connection().ReadOnly {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly)
	}
	return fmt.Errorf("%w: it has not come round within %s: %w", ledger.ErrOutcomeUnknown, answerWithin, errors.Join(err, l.Connection().Problem))
}

// publishMsg puts a message into the stream.
func (l *Ledger) publishMsg(ctx context.Context, kind string, data []byte, more ...jetstream.PublishOpt) (ack *jetstream.PubAck, err error) {
	msg := &nats.Msg{Subject: l.options.subject("log." + kind), Data: data}
	more = append(more, jetstream.WithExpectStream(l.options.Stream), jetstream.WithRetryAttempts(0))
	err = l.refusals.ask(ctx, msg.Subject, func(ctx context.Context) error {
		ack, err = l.js.PublishMsg(ctx, msg, more...)
		return err
	})
	return ack, err
}

// goesOn checks that the log goes on from what this node had when it wrote: a
// sequence that is handed out twice is a tail that was lost.
func goesOn(sequence, followed uint64) error {
	if sequence > followed {
		return nil
	}
	return fmt.Errorf("the stream gave sequence %d to a new message, and this node has followed it up to %d: its tail was lost", sequence, followed)
}

// acknowledged notes where a batch stands.
func (l *Ledger) acknowledged(f *flight, sequence, followed uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.sequence = sequence
	if err := goesOn(sequence, followed); err != nil {
		return err
	}
	select {
	case <-f.landed:
	default:
		if sequence <= l.settled {
			return fmt.Errorf("message %d of the stream is not the one that was acknowledged there", sequence)
		}
		l.acked[sequence] = f
	}
	return nil
}

// notWritten is the error of an append that certainly left nothing, or nil.
func (l *Ledger) notWritten(err error) error {
	var refused *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		l.readOnly(true)
		return fmt.Errorf("%w: %w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly, err)
	case errors.As(err, &refused), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return nil
}

// complained takes an error that a server sent for nothing in particular.
func (l *Ledger) complained(err error) {
	switch subject := l.refusals.heard(err); {
	case subject == l.options.subject("log."+kindEntry), subject == l.options.subject("log."+kindTick):
		l.readOnly(true)
		return
	case l.options.ofDocuments(subject): // each caller is told
		return
	}
	l.log.Warn("NATS complains", "error", err)
}

// land answers a batch of this node that came round.
func (l *Ledger) land(m *message, s *step) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = m.sequence
	f := l.acked[m.sequence]
	if f != nil && (s.writer != l.options.Node || s.number != f.number) {
		return fmt.Errorf("message %d of the stream is not the one that was acknowledged there", m.sequence)
	}
	if s.writer != l.options.Node {
		return nil
	}
	f = l.flights[s.number]
	if f == nil || f.outcomes != nil {
		return nil
	}
	if f.sequence != 0 && f.sequence != m.sequence {
		return fmt.Errorf("a batch was acknowledged at %d and came round at %d", f.sequence, m.sequence)
	}
	f.outcomes = s.outcomes
	l.measure(f.sent, m.stamp)
	close(f.landed)
	return nil
}
