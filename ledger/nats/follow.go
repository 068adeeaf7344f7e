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

// errSuspect: what came can't be, or can't be read. Where nobody began a newer
// epoch since, the log can't be trusted.
var errSuspect = errors.New("suspicious stream")

// errQuiet: the first message of a session has not come in time.
var errQuiet = errors.New("no message")

// errAgain: look again, from where the fold stands now.
var errAgain = errors.New("looking again")

// How the stream is read.
const (
	sessionRetry   = 300 * time.Millisecond
	pullExpiry     = 5 * time.Second
	pullHeartbeat  = time.Second
	pullMessages   = 2048
	consumerUnused = 30 * time.Second
)

// firstWithin is when a session begins anew whose first message has not come: the
// servers may have lost the request, because not all of them knew the consumer
// yet that was just made. Each time it is longer, up to what is noticed anyway.
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
		case errors.Is(err, context.Canceled): // the connection is lost, and that was said
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

// session follows the stream for as long as that goes well, and no longer than a
// connection lasts: another server may know another stream. What comes first,
// within patience, is there: the message that was folded last, or where this
// node entered.
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

// next waits for a message; for the first one, which is there, within patience.
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

// resumes is the first message of a session: the last one that was folded, to be
// compared with what stands there now, or the next where that can't be.
func (l *Ledger) resumes() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fold.Hash == (ledger.Digest{}) {
		return l.fold.Sequence + 1
	}
	return l.fold.Sequence
}

// take folds a message and lets the node know. The first of a session is the
// last of the one before: a stream that lost its tail has another there.
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
		return errAgain // lost on the way, or in the stream: the next session will tell
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
	case errors.Is(err, ledger.ErrUnavailable): // of the replica, which says nothing of the stream
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

// deliver tells the follower. Ticks prove nothing to a node whose new replica
// does not reach what its old one had.
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

// concern does what a message asks of this node beyond folding it.
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
	return nil
}

// Follow makes f the follower. See [ledger.Shared].
func (l *Ledger) Follow(ctx context.Context, after revocation.Position, f ledger.Follower) error {
	apply := func(e revocation.Entry) error {
		f.Applied(e, "")
		after = e.Position
		return nil
	}
	// Most of it while others are told; the rest while nobody is.
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

// roster is what the ticks so far say together: who may be serving.
func (l *Ledger) roster() (t ledger.Tick) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.fold.Roster {
		t.Echoes = append(t.Echoes, l.fold.Roster[i].Echo)
	}
	return t
}

// ended is no error where the follower wanted no more.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
