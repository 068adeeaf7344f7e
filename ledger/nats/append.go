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

// Bounds of the batches under way. Requests that wait meanwhile share the next
// batch.
const (
	urgentBatches = 4
	bulkBatches   = 1
	queueLength   = 4096
	batchLength   = 1024
	batchBytes    = 256 << 10
	// bulkRecords is the least number of records of a bulk entry, such as an import
	// or the copies that a trim makes. Bulk entries must not delay a single
	// sign-out.
	bulkRecords = 16
	// answerWithin is how long an append may take before its outcome is
	// unknown.
	answerWithin = 5 * time.Second
)

// queue holds the appends that wait, urgent ones or bulk.
type queue struct {
	requests chan *request
	slots    chan struct{}  // one for each batch under way
	running  sync.WaitGroup // the batches under way and the loop that sends them

	gate   sync.RWMutex
	closed bool
}

func newQueue(batches int) *queue {
	return &queue{requests: make(chan *request, queueLength), slots: make(chan struct{}, batches)}
}

func (q *queue) close() {
	q.gate.Lock()
	defer q.gate.Unlock()
	q.closed = true
	close(q.requests)
}

// send queues a request, unless the queue is closed or ctx ends.
func (q *queue) send(ctx context.Context, r *request) error {
	q.gate.RLock()
	defer q.gate.RUnlock()
	if q.closed {
		return fmt.Errorf("%w: it is closed", ledger.ErrUnavailable)
	}
	select {
	case q.requests <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, ctx.Err())
	}
}

// request is an append that was not answered yet.
type request struct {
	ctx    context.Context
	entry  entry
	answer chan outcome
}

// pendingBatch is a batch of this node that was not answered yet. It is answered
// when this node reads it from the stream.
type pendingBatch struct {
	number   uint64
	requests []*request
	sent     time.Time
	read     chan struct{} // closed when this node has read the batch
	sequence uint64        // of the acknowledged message in the stream
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
	q := l.urgent
	if len(records) >= bulkRecords {
		q = l.bulk
	}
	if err := q.send(ctx, r); err != nil {
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
	// Messages and replicas store whole seconds, so the process must use them too.
	key.Expires = key.Expires.Add(time.Second - 1).Truncate(time.Second)
	return &request{ctx: ctx, entry: entry{key, payload}, answer: make(chan outcome, 1)}, nil
}

// maxEntry returns the number of bytes of records that fit into a message.
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
	// On an error the request is sent, and the log decides.
	done, known, _ := l.fold.used(&step{}, &entry{Key: key}, l.options.Now())
	if done.err != nil {
		done.position = revocation.Position{}
	}
	return done, known
}

// ready returns nil if an append can be sent now, and otherwise the reason. After
// an error nothing was written.
func (l *Ledger) ready(ctx context.Context) error {
	if err := l.Err(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, err)
	}
	// A ledger that was just opened may connect within moments, so wait for it.
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

// sendQueue sends the requests of a queue until the queue is closed.
func (l *Ledger) sendQueue(q *queue) {
	var left *request // the request that did not fit into the last batch
	for r := range q.requests {
		for ; r != nil; r = left {
			q.slots <- struct{}{}
			var p *pendingBatch
			if p, left = l.gather(q, r); p == nil {
				<-q.slots
				continue
			}
			q.running.Go(func() {
				defer func() { <-q.slots }()
				l.publish(p)
			})
		}
	}
}

// gather makes a batch of r and the waiting requests that fit into one message. It
// returns the first request that does not fit. A caller that has given up gets the
// answer that nothing was written.
func (l *Ledger) gather(q *queue, r *request) (p *pendingBatch, left *request) {
	p = &pendingBatch{read: make(chan struct{})}
	limit, size := l.maxEntry(), 0
	for ok := true; ok; {
		needs := len(r.entry.Records) + 96
		switch err := r.ctx.Err(); {
		case err != nil:
			r.answer <- outcome{err: fmt.Errorf("%w: %w before it was written", ledger.ErrUnavailable, err)}
		case size > 0 && size+needs > limit:
			return p, r
		default:
			p.requests = append(p.requests, r)
			size += needs
		}
		if len(p.requests) >= batchLength || size >= batchBytes/2 {
			break
		}
		select {
		case r, ok = <-q.requests:
		default:
			ok = false
		}
	}
	if len(p.requests) == 0 {
		return nil, nil
	}
	return p, nil
}

// publish sends a batch and answers its requests.
func (l *Ledger) publish(p *pendingBatch) {
	b := batch{Writer: l.options.Node, Entries: make([]entry, len(p.requests))}
	for i, r := range p.requests {
		b.Entries[i] = r.entry
	}
	l.mu.Lock()
	l.number++
	p.number, b.Number = l.number, l.number
	p.sent = l.options.Now()
	l.pending[p.number] = p
	followed := l.fold.Sequence
	l.mu.Unlock()
	err := l.send(b.encode(), p, followed)
	l.mu.Lock()
	delete(l.pending, p.number)
	delete(l.acked, p.sequence)
	l.mu.Unlock()
	for i, r := range p.requests {
		o := outcome{err: err}
		if err == nil {
			o = p.outcomes[i]
		}
		if o.err != nil {
			o.position, o.replayed = revocation.Position{}, false
		}
		r.answer <- o
	}
}

// send publishes a batch and waits until this node has read it from the stream.
// The error says whether the batch may still be written.
func (l *Ledger) send(data []byte, p *pendingBatch, followed uint64) error {
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	ack, err := l.publishMsg(ctx, kindEntry, data)
	if err == nil {
		if err := l.acknowledged(p, ack.Sequence, followed); err != nil {
			return l.fail(err)
		}
	} else if certain := l.notWritten(err); certain != nil {
		return certain
	}
	select {
	case <-p.read: // a message that was read is committed
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

// goesOn checks that the log continues after the messages that this node had when
// it wrote. If a sequence was assigned twice, the stream has lost its tail.
func goesOn(sequence, followed uint64) error {
	if sequence > followed {
		return nil
	}
	return fmt.Errorf("the stream gave sequence %d to a new message, and this node has followed it up to %d: its tail was lost", sequence, followed)
}

// acknowledged records the sequence that the server acknowledged for a batch.
func (l *Ledger) acknowledged(p *pendingBatch, sequence, followed uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.sequence = sequence
	if err := goesOn(sequence, followed); err != nil {
		return err
	}
	select {
	case <-p.read:
	default:
		if sequence <= l.settled {
			return fmt.Errorf("message %d of the stream is not the one that was acknowledged there", sequence)
		}
		l.acked[sequence] = p
	}
	return nil
}

// notWritten returns the error of an append that certainly wrote nothing, or nil.
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

// complained handles an error that a server sent outside any answer.
func (l *Ledger) complained(err error) {
	switch subject := l.refusals.heard(err); {
	case subject == l.options.subject("log."+kindEntry), subject == l.options.subject("log."+kindTick):
		l.readOnly(true)
		return
	case l.options.ofDocuments(subject): // the refusal reaches each caller
		return
	}
	l.log.Warn("NATS complains", "error", err)
}

// settle answers a batch of this node that it has read from the stream.
func (l *Ledger) settle(m *message, s *step) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = m.sequence
	p := l.acked[m.sequence]
	if p != nil && (s.writer != l.options.Node || s.number != p.number) {
		return fmt.Errorf("message %d of the stream is not the one that was acknowledged there", m.sequence)
	}
	if s.writer != l.options.Node {
		return nil
	}
	p = l.pending[s.number]
	if p == nil || p.outcomes != nil {
		return nil
	}
	if p.sequence != 0 && p.sequence != m.sequence {
		return fmt.Errorf("a batch was acknowledged at %d and came round at %d", p.sequence, m.sequence)
	}
	p.outcomes = s.outcomes
	l.measure(p.sent, m.stamp)
	close(p.read)
	return nil
}
