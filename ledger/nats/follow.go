package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// errSuspect means that a message contradicts the log or can't be read. Unless a
// newer epoch has begun since, the log can't be trusted.
var errSuspect = errors.New("suspicious stream")

// errQuiet means that the first message of a session has not come in time.
var errQuiet = errors.New("no message")

// errAgain means that a new session must begin at the fold's present sequence.
var errAgain = errors.New("looking again")

// The times and bounds of reading the stream.
const (
	sessionRetry   = 300 * time.Millisecond
	pullExpiry     = 5 * time.Second
	pullHeartbeat  = time.Second
	pullMessages   = 2048
	consumerUnused = 30 * time.Second
)

// firstWithin is how long a session waits for its first message before a new one
// begins. The servers may have lost the request, because some of them did not know
// the new consumer yet. The wait doubles with each such session.
const firstWithin = 500 * time.Millisecond

// run follows the stream until the ledger is closed or can't be trusted.
func (l *Ledger) run() {
	patience := firstWithin
	for {
		err := l.session(patience)
		if patience *= 2; !errors.Is(err, errQuiet) {
			patience = firstWithin
		}
		if l.ctx.Err() != nil {
			return
		}
		if errors.Is(err, errSuspect) {
			if err = l.forgive(err); errors.Is(err, errSuspect) {
				_ = l.fail(err)
				return
			}
		}
		wait := sessionRetry
		switch {
		case errors.Is(err, errAgain), errors.Is(err, errQuiet):
			wait = 0
		case errors.Is(err, context.Canceled): // the lost connection was already reported
		default:
			l.problem(err)
		}
		select {
		case <-l.ctx.Done():
			return
		case <-l.failed:
			return
		case <-time.After(wait):
		}
	}
}

// session follows the stream until an error. It ends with the connection, because
// another server may have another stream. Its first message must come within
// patience: the stream has it, since this node has folded it or enters there.
func (l *Ledger) session(patience time.Duration) error {
	connected := l.asking()
	s, err := l.prepare()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(connected, askWithin)
	defer cancel()
	consumer, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Description: "curfew " + l.options.Node,
		AckPolicy:   jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: l.resumes(),
		MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerUnused, MaxDeliver: 1,
	})
	if err != nil {
		return fmt.Errorf("following the stream: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pullMessages), jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("following the stream: %w", err)
	}
	defer messages.Stop()
	l.problem(nil)
	for first := true; ; first = false {
		raw, err := next(connected, messages, first, patience)
		if err != nil {
			return fmt.Errorf("following the stream: %w", err)
		}
		if l.failure.Load() != nil {
			return l.Err()
		}
		if err := l.take(raw, first); err != nil {
			return err
		}
	}
}

// next waits for a message. It waits for the first one at most patience, because
// the stream is known to have it.
func next(ctx context.Context, messages jetstream.MessagesContext, first bool, patience time.Duration) (jetstream.Msg, error) {
	if !first {
		return messages.Next(jetstream.NextContext(ctx))
	}
	impatient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := messages.Next(jetstream.NextContext(impatient))
	if errors.Is(err, context.DeadlineExceeded) {
		err = errQuiet
	}
	return m, err
}

func (l *Ledger) sequence() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.Sequence
}

// resumes returns the sequence of the first message of a session. It is the last
// folded message, so that its hash can be compared. If the hash is unknown, it is
// the next message.
func (l *Ledger) resumes() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fold.Hash == (ledger.Digest{}) {
		return l.fold.Sequence + 1
	}
	return l.fold.Sequence
}

// take folds a message and passes the result on. The first message of a session
// repeats the last folded one: a stream that lost its tail has another message at
// that sequence.
func (l *Ledger) take(raw jetstream.Msg, first bool) error {
	meta, err := raw.Metadata()
	if err != nil {
		return fmt.Errorf("following the stream: %w", err)
	}
	subject := raw.Subject()
	m := &message{kind: subject[strings.LastIndexByte(subject, '.')+1:], sequence: meta.Sequence.Stream, stamp: meta.Timestamp, data: raw.Data()}
	last := l.sequence()
	switch {
	case m.sequence == last && first:
		return l.compare(m)
	case last != 0 && m.sequence != last+1 && !first && l.gap != last:
		l.gap = last
		return errAgain // the next session shows whether the stream itself lacks the message
	}
	if err := l.replica.room(); err != nil {
		return err
	}
	l.delivering.Lock()
	defer l.delivering.Unlock()
	l.mu.Lock()
	owed := l.fold.Owes
	s, err := l.fold.next(m)
	folded, owes := l.fold.mark, l.fold.Owes
	l.mu.Unlock()
	switch {
	case errors.Is(err, ledger.ErrUnavailable): // the replica failed, not the stream
		return fmt.Errorf("following the stream: %w", err)
	case err != nil:
		return fmt.Errorf("%w: %w", errSuspect, err)
	}
	if owed != owes {
		l.problem(nil)
	}
	l.deliver(&s, owes)
	l.replica.add(s.entries, folded, m.stamp)
	return l.concern(m, &s)
}

func (l *Ledger) compare(m *message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fold.Hash != m.hash() {
		return fmt.Errorf("%w: message %d of the stream is not the one that this node has read there: its tail was lost, or it is another stream", errSuspect, m.sequence)
	}
	return nil
}

// deliver passes a step to the follower. It withholds ticks while this node's
// replica is behind an earlier one, because a tick then proves nothing.
func (l *Ledger) deliver(s *step, owes revocation.Position) {
	f := l.follower
	if f == nil {
		return
	}
	for i := range s.entries {
		c := &s.entries[i].copy
		f.Applied(revocation.Entry{Position: c.Position, Records: c.Records}, s.writer)
	}
	switch {
	case s.tick == nil:
	case owes != (revocation.Position{}):
		l.problem(fmt.Errorf("the ledger does not reach %s, which this node has seen", owes))
	default:
		f.Ticked(*s.tick)
	}
}

// concern reacts to a folded message: a tick or a batch of this node, or a genesis.
func (l *Ledger) concern(m *message, s *step) error {
	if s.tick != nil && s.tick.By == l.options.Node {
		l.tickCame(m)
	}
	if err := l.settle(m, s); err != nil {
		return fmt.Errorf("%w: %w", errSuspect, err)
	}
	if s.genesis != nil {
		l.begun(s.genesis.Epoch)
	}
	if s.tick != nil && l.marked(MarkerAdopt) {
		return errAgain // the next session adopts the stream, which is sound
	}
	return nil
}

// Follow makes f the follower. See [ledger.Shared].
func (l *Ledger) Follow(ctx context.Context, after revocation.Position, f ledger.Follower) error {
	apply := func(e revocation.Entry) error {
		f.Applied(e, "")
		after = e.Position
		return nil
	}
	// Read most entries without the lock, so that the node is not held up. Read the
	// rest under it, so that none is missed.
	if err := l.Read(ctx, after, apply); err != nil {
		return ended(ctx, err)
	}
	l.delivering.Lock()
	err := l.Read(ctx, after, apply)
	if err == nil {
		f.Ticked(l.roster())
		l.follower = f
	}
	l.delivering.Unlock()
	if err != nil {
		return ended(ctx, err)
	}
	defer func() {
		l.delivering.Lock()
		l.follower = nil
		l.delivering.Unlock()
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-l.failed:
		return l.Err()
	case <-l.ctx.Done():
		return fmt.Errorf("%w: it is closed", ledger.ErrUnavailable)
	}
}

// roster returns a tick with the echoes of all nodes that may be serving.
func (l *Ledger) roster() (t ledger.Tick) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.fold.Roster {
		t.Echoes = append(t.Echoes, l.fold.Roster[i].Echo)
	}
	return t
}

// ended returns nil if the follower ended ctx, and err otherwise.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
