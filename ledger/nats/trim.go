package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// When the head of the stream goes. Ticks are most of it: a million are eleven
// days. What is younger than trimAge stays for nodes that were away, and for
// idempotency keys, which all nodes must find alike.
const (
	trimEvery    = time.Hour
	trimAge      = 72 * time.Hour
	trimMessages = 1_000_000
)

// keepTrimming looks now and then whether there is something to trim. All nodes
// that may do it look, at different moments.
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

// trim removes what is older than age, if that is at least so many messages:
// after all that lives of it was written again, and a trim in the stream says
// so. It returns the last message that went, 0 where none did.
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

// lately is the time that everybody agrees on: the stream's, or this node's
// where that is earlier, so that neither clock makes anything expire too soon.
func (l *Ledger) lately() time.Time {
	now, stamp := l.options.Now(), time.Unix(0, l.replica.stamp.Load())
	if stamp.Before(now) {
		return stamp
	}
	return now
}

// lastBefore finds the last of the messages between two that is older than an
// instant; one below the first where none is.
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

// trimmable finds a place before old that a tick has vouched for: where the log
// stood after it. Every node compared that tick with what it had read.
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
			return trim{}, nil // wait until all of this is one epoch's
		}
		return trim{Through: t.Followed, Head: t.Head}, nil
	}
}

// lastTrim is what was trimmed before, zero where nothing was in this epoch, and
// where in the stream the last trim stands.
func (l *Ledger) lastTrim(s jetstream.Stream) (t trim, at uint64, err error) {
	t, at, err = l.newestTrim(s)
	if err != nil || t.Head.Position.Epoch != l.Head().Position.Epoch {
		return trim{}, at, err
	}
	return t, at, nil
}

// forward writes again what lives of the entries after one position and up to
// another. What lived before was written again after it.
func (l *Ledger) forward(after, through revocation.Position) error {
	now := l.lately()
	lifted := make(map[revocation.Ref]bool)
	err := l.Read(l.ctx, revocation.Position{}, func(e revocation.Entry) error {
		for i := range e.Records {
			if e.Records[i].Type == revocation.Lift {
				lifted[e.Records[i].Lifts] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w, gone := restater{ledger: l}, make(map[horizon]int64)
	err = l.Read(l.ctx, revocation.Position{}, func(e revocation.Entry) error {
		if e.Position.Compare(after) <= 0 || e.Position.Compare(through) > 0 {
			return nil
		}
		for i := range e.Records {
			r := again(&e.Records[i], revocation.Ref{Position: e.Position, Item: uint16(i)})
			switch {
			case r.Type == revocation.Genesis && r.Through == 0, lifted[r.Origin]:
				continue
			case expired(&r, now):
				h := horizon{r.Target.Issuer, r.Mode}
				gone[h] = max(gone[h], r.Through)
				continue
			}
			if err := w.add(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(w.leave(gone, now), w.flush())
}

// horizon is what cuts that have expired leave behind: nothing of an issuer
// from before them is let in, whatever the configuration becomes.
type horizon struct {
	issuer string
	mode   revocation.Mode
}

// leave writes the horizons down, as cuts that stay.
func (w *restater) leave(gone map[horizon]int64, now time.Time) error {
	for _, h := range slices.SortedFunc(maps.Keys(gone), func(a, b horizon) int {
		return slices.Compare([]string{a.issuer, a.mode.String()}, []string{b.issuer, b.mode.String()})
	}) {
		if h.mode == revocation.Final {
			continue // of single tokens, which have expired too
		}
		through := gone[h]
		err := w.add(revocation.Record{
			Type: revocation.Cut, Mode: h.mode, Target: revocation.Target{Issuer: h.issuer},
			At: through * 1000, Through: through, Time: now.UnixMilli(),
			Source: "trim", Actor: w.ledger.options.Node, Reason: "cuts up to here have expired",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// announce puts the trim into the stream, unless another node did since the last
// one, and waits until it has come round, and with it all that was written again.
// The newest trim says where the stream begins, so none may go behind another.
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
