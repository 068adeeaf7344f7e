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

// The headers of a list's messages. An item names the item before it, so that a
// list is read from its newest item back. An append fails unless its writer knew
// the newest item. A forgotten list is a marker, which expires.
const (
	headerPrevious  = "Curfew-Previous"
	headerForgotten = "Curfew-Forgotten"
)

// end returns the newest message of a list, or nil.
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

// Forget removes all items of a list. A marker replaces them.
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

// extend appends a message to a list. It tries again if another message came
// first.
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

// below returns the message at which the reading of items before a sequence
// begins. It is the message with that sequence, or the newest one if before is 0
// or that message is gone.
func (d *documents) below(ctx context.Context, s *documentStream, subject string, before uint64) (*jetstream.RawStreamMsg, error) {
	if before != 0 {
		m, err := d.at(ctx, s, before)
		if err != nil || m != nil && m.Subject == subject {
			return m, err
		}
	}
	return d.end(ctx, s, subject)
}

// previous returns the item before one, or nil if there is none any more.
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

// at returns a message, or nil if it is gone.
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
