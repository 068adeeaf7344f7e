package nats

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// The limits of trimming. Most messages are ticks: a million ticks are eleven days.
// Messages younger than trimAge stay for nodes that were away, and for idempotency
// keys, because all nodes must find the same keys.
const (
	trimEvery    = time.Hour
	trimAge      = 72 * time.Hour
	trimMessages = 1_000_000
)

// keepTrimming trims the stream regularly. All nodes with the right to trim do so,
// at different moments.
func (l *Ledger) keepTrimming() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.failed:
			return
		case <-time.After(trimEvery/2 + rand.N(trimEvery)):
		}
		c := l.Connection()
		if c.Problem != nil || c.ReadOnly {
			continue
		}
		trimmed, err := l.trim(trimAge, trimMessages)
		switch {
		case errors.Is(err, nats.ErrPermissionViolation):
			l.log.Info("this node may not trim the stream; another should", "error", err)
			return
		case err != nil:
			l.log.Warn("the stream was not trimmed", "error", err)
		case trimmed > 0:
			l.log.Info("the stream was trimmed", "through", trimmed)
		}
	}
}

// trim removes the messages older than age, if there are enough of them. It first
// writes their live records again and then puts a trim into the stream. It returns
// the sequence of the last removed message, or 0.
func (l *Ledger) trim(age time.Duration, atLeast uint64) (uint64, error) {
	s, info, err := streamInfo(l.ctx, l.js, l.options.Stream)
	if err != nil {
		return 0, err
	}
	first := info.State.FirstSeq
	old, err := l.lastBefore(s, first, l.sequence(), l.lately().Add(-age))
	if err != nil || old < first+atLeast {
		return 0, err
	}
	if err := l.purge(s, jetstream.WithPurgeSubject(l.options.subject("nothing"))); err != nil {
		return 0, fmt.Errorf("asking whether this node may trim: %w", err) // before anything is written
	}
	t, err := l.trimmable(s, first, old)
	if err != nil || t.Through < first+atLeast {
		return 0, err
	}
	before, at, err := l.lastTrim(s)
	if err != nil {
		return 0, err
	}
	if err := l.forward(before.Head.Position, t.Head.Position); err != nil {
		return 0, fmt.Errorf("writing again what lives: %w", err)
	}
	if err := l.announce(&t, at); err != nil {
		return 0, err
	}
	if err := l.purge(s, jetstream.WithPurgeSequence(t.Through+1)); err != nil {
		return 0, fmt.Errorf("removing what was trimmed: %w", err)
	}
	return t.Through, nil
}

func (l *Ledger) purge(s jetstream.Stream, what jetstream.StreamPurgeOpt) error {
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	return l.refusals.ask(ctx, "$JS.API.STREAM.PURGE."+l.options.Stream, func(ctx context.Context) error { return s.Purge(ctx, what) })
}

// lately returns the earlier one of the stream's time and this node's, so that
// neither clock makes a record expire too soon.
func (l *Ledger) lately() time.Time {
	now, stamp := l.options.Now(), time.Unix(0, l.replica.stamp.Load())
	if stamp.Before(now) {
		return stamp
	}
	return now
}

// lastBefore returns the last message between two that is older than an instant. It
// returns the one below the first if there is none.
func (l *Ledger) lastBefore(s jetstream.Stream, first, last uint64, when time.Time) (uint64, error) {
	for first <= last {
		middle := first + (last-first)/2
		m, err := l.message(s, middle)
		if err != nil {
			return 0, err
		}
		if m.Time.Before(when) {
			first = middle + 1
		} else {
			last = middle - 1
		}
	}
	return last, nil
}

func (l *Ledger) message(s jetstream.Stream, sequence uint64, options ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(l.ctx, askWithin)
	defer cancel()
	m, err := s.GetMsg(ctx, sequence, options...)
	if err != nil {
		return nil, fmt.Errorf("looking at message %d of the stream: %w", sequence, err)
	}
	return m, nil
}

// trimmable finds a message before old whose head a tick has stated. Every node has
// compared that tick with its own chain.
func (l *Ledger) trimmable(s jetstream.Stream, first, old uint64) (trim, error) {
	for back := uint64(64); ; back *= 4 {
		from := first
		if old > first+back {
			from = old - back
		}
		m, err := l.message(s, from, jetstream.WithGetMsgSubject(l.options.subject("log."+kindTick)))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence > old {
			if from == first {
				return trim{}, nil
			}
			continue
		}
		if err != nil {
			return trim{}, err
		}
		var t tick
		if err := decodeJSON(m.Data, &t); err != nil {
			return trim{}, err
		}
		if t.Head.Position.Epoch != l.Head().Position.Epoch {
			return trim{}, nil // wait until all these messages are of one epoch
		}
		return trim{Through: t.Followed, Head: t.Head}, nil
	}
}

// lastTrim returns the last trim of this epoch, or zero, and the sequence of the
// last trim in the stream.
func (l *Ledger) lastTrim(s jetstream.Stream) (t trim, at uint64, err error) {
	t, at, err = l.newestTrim(s)
	if err != nil || t.Head.Position.Epoch != l.Head().Position.Epoch {
		return trim{}, at, err
	}
	return t, at, nil
}

// forward writes the live records of the entries after one position and up to
// another again. Live records of earlier entries were already written again after
// that position.
func (l *Ledger) forward(after, through revocation.Position) error {
	w := restater{ledger: l}
	c := carrying{log: l.everything, write: w.add, now: l.lately(), actor: l.options.Node}
	return errors.Join(c.trim(after, through), w.flush())
}

// everything yields every entry that this node has.
func (l *Ledger) everything(yield func(revocation.Entry) error) error {
	return l.Read(l.ctx, revocation.Position{}, yield)
}

// announce puts the trim into the stream, unless another node has put one there
// since the last trim. It waits until this node has read the trim back, and thus
// every record before it. The newest trim says where the stream begins, so a trim
// must never name an earlier message than the last one.
func (l *Ledger) announce(t *trim, last uint64) error {
	data, err := appendJSON(t)
	if err != nil {
		return fmt.Errorf("encoding a trim: %w", err)
	}
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	ack, err := l.publishMsg(ctx, kindTrim, data, jetstream.WithExpectLastSequencePerSubject(last))
	if overtaken(err) {
		return errors.New("another node has trimmed it meanwhile")
	}
	if err != nil {
		return fmt.Errorf("announcing a trim: %w", err)
	}
	for l.sequence() < ack.Sequence {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: the trim has not come round", ledger.ErrOutcomeUnknown)
		case <-l.failed:
			return l.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return l.Err()
}
