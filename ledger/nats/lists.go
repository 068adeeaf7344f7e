package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
)

// The headers of a list's messages. An item names the one before it, so that a
// list is read from its newest item on; each is appended over the one that its
// writer saw last. A list that was forgotten is a marker, which goes after a while.
const (
	headerPrevious  = "Curfew-Previous"
	headerForgotten = "Curfew-Forgotten"
)

// end is the newest message of a list, nil where it has none.
func (d *documents) end(ctx context.Context, s *documentStream, subject string) (*jetstream.RawStreamMsg, error) {
	m, err := d.newestOf(ctx, s, subject)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	return m, err
}

// Append adds an item to a list. See [ledger.Documents].
func (d *documents) Append(ctx context.Context, key ledger.Key, item []byte) error {
	if err := ledger.CheckItem(key, item); err != nil {
		return err
	}
	return d.extend(ctx, key, func(m *nats.Msg, last *jetstream.RawStreamMsg) []jetstream.PublishOpt {
		m.Data = item
		if last != nil && !forgotten(last) {
			m.Header.Set(headerPrevious, strconv.FormatUint(last.Sequence, 10))
		}
		return nil
	})
}

// Forget removes all items of a list: the marker takes the place of what was
// before it.
func (d *documents) Forget(ctx context.Context, key ledger.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	return d.extend(ctx, key, func(m *nats.Msg, last *jetstream.RawStreamMsg) []jetstream.PublishOpt {
		m.Header.Set(headerForgotten, "1")
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		return []jetstream.PublishOpt{jetstream.WithMsgTTL(markersFor)}
	})
}

func forgotten(m *jetstream.RawStreamMsg) bool { return m.Header.Get(headerForgotten) != "" }

// extend puts a message after the last one of a list, and begins anew where
// another one came in between.
func (d *documents) extend(ctx context.Context, key ledger.Key, fill func(m *nats.Msg, last *jetstream.RawStreamMsg) []jetstream.PublishOpt) error {
	s, err := d.use(ctx, activityStream)
	if err != nil {
		return err
	}
	for {
		m := nats.NewMsg(s.subject(key))
		last, err := d.end(ctx, s, m.Subject)
		if err != nil {
			return err
		}
		var expected uint64
		if last != nil {
			expected = last.Sequence
		}
		if _, err = d.write(ctx, s, m, expected, fill(m, last)...); !errors.Is(err, ledger.ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: others wrote to the list: %w", ledger.ErrUnavailable, ctx.Err())
		}
	}
}

// Newest returns items of a list. See [ledger.Documents].
func (d *documents) Newest(ctx context.Context, key ledger.Key, before uint64, limit int) (items []ledger.Item, err error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	s, err := d.use(ctx, activityStream)
	if err != nil {
		return nil, err
	}
	subject := s.subject(key)
	m, err := d.below(ctx, s, subject, before)
	for ; err == nil && m != nil && !forgotten(m) && len(items) < limit; m, err = d.previous(ctx, s, m) {
		if before == 0 || m.Sequence < before {
			items = append(items, ledger.Item{Sequence: m.Sequence, Value: m.Data})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	return items, nil
}

// below is where the items before a sequence begin: after the last item of the
// page before, or at the newest.
func (d *documents) below(ctx context.Context, s *documentStream, subject string, before uint64) (*jetstream.RawStreamMsg, error) {
	if before != 0 {
		m, err := d.at(ctx, s, before)
		if err != nil || m != nil && m.Subject == subject {
			return m, err
		}
	}
	return d.end(ctx, s, subject)
}

// previous is the item before one, nil where it is gone or there is none.
func (d *documents) previous(ctx context.Context, s *documentStream, m *jetstream.RawStreamMsg) (*jetstream.RawStreamMsg, error) {
	sequence, err := strconv.ParseUint(m.Header.Get(headerPrevious), 10, 64)
	if err != nil || sequence == 0 || sequence >= m.Sequence {
		return nil, nil
	}
	before, err := d.at(ctx, s, sequence)
	if err != nil || before == nil || before.Subject != m.Subject {
		return nil, err
	}
	return before, nil
}

// at is a message, nil where it is gone.
func (d *documents) at(ctx context.Context, s *documentStream, sequence uint64) (m *jetstream.RawStreamMsg, err error) {
	err = d.read(ctx, s, func(ctx context.Context) error {
		m, err = s.stream.GetMsg(ctx, sequence)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	return m, err
}
