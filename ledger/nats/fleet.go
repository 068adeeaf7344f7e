package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// The subjects of messages between nodes that are not in the log.
const (
	heartbeats       = "heartbeat"
	acknowledgements = "ack"
	questions        = "ask"
)

// Tick appends a tick. See [ledger.Shared].
func (l *Ledger) Tick(ctx context.Context, echoes []ledger.Echo, horizons *ledger.Horizons) error {
	if err := l.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	c, t := l.connection, tick{Tick: ledger.Tick{By: l.options.Node, Echoes: echoes, Horizons: horizons}, Followed: l.fold.Sequence, Head: l.fold.Head}
	sent := l.options.Now()
	l.mu.Unlock()
	if c.Problem != nil {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, c.Problem)
	}
	if c.ReadOnly {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, ledger.ErrReadOnly)
	}
	data, err := appendJSON(&t)
	if err != nil {
		return fmt.Errorf("encoding a tick: %w", err)
	}
	// Do not wait for an answer after the connection is lost. The next tick
	// replaces it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.asking(), cancel)()
	ack, err := l.publishMsg(ctx, kindTick, data)
	if err != nil {
		if certain := l.notWritten(err); certain != nil {
			return certain
		}
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, err)
	}
	if err := goesOn(ack.Sequence, t.Followed); err != nil {
		return l.fail(err)
	}
	l.tickAcknowledged(ack.Sequence, sent)
	return nil
}

// Say publishes this node's state to all nodes.
func (l *Ledger) Say(h ledger.Heartbeat) error { return l.tell(heartbeats, h) }

// Acknowledge tells the node that wrote a record up to where this node enforces.
func (l *Ledger) Acknowledge(writer string, a ledger.Acknowledgement) error {
	return l.tell(acknowledgements+"."+token(writer), a)
}

func (l *Ledger) tell(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding what the fleet is told: %w", err)
	}
	if err := l.conn.Publish(l.options.subject(name), b); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return nil
}

// Ask asks all other nodes about a record. See [ledger.Shared].
func (l *Ledger) Ask(ctx context.Context, ref revocation.Ref, want int) []ledger.Answer {
	inbox := l.conn.NewInbox()
	came, err := l.conn.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = came.Unsubscribe() }()
	q, err := json.Marshal(question{Node: l.options.Node, Ref: ref})
	if err != nil || l.conn.PublishRequest(l.options.subject(questions), inbox, q) != nil {
		return nil
	}
	var answers []ledger.Answer
	for len(answers) < want {
		msg, err := came.NextMsgWithContext(ctx)
		if err != nil {
			break
		}
		var a ledger.Answer
		if json.Unmarshal(msg.Data, &a) == nil && a.Node != l.options.Node {
			answers = append(answers, a)
		}
	}
	return answers
}

type question struct {
	Node string         `json:"node"` // the asking node
	Ref  revocation.Ref `json:"ref"`
}

// listen passes other nodes' messages to the follower until the ledger is closed.
func (l *Ledger) listen() {
	came := make(chan *nats.Msg, 4096)
	subjects := []string{l.options.subject(heartbeats), l.options.subject(acknowledgements) + "." + token(l.options.Node), l.options.subject(questions)}
	for _, subject := range subjects {
		sub, err := l.conn.ChanSubscribe(subject, came)
		if err != nil {
			l.log.Error("what the fleet says can't be heard", "error", err)
			return
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	for {
		select {
		case <-l.ctx.Done():
			return
		case msg := <-came:
			l.delivering.Lock()
			f := l.follower
			l.delivering.Unlock()
			if f == nil {
				continue
			}
			if err := l.hear(f, msg, subjects); err != nil {
				l.log.Debug("what a node says can't be understood", "subject", msg.Subject, "error", err)
			}
		}
	}
}

func (l *Ledger) hear(f ledger.Follower, msg *nats.Msg, subjects []string) error {
	switch msg.Subject {
	case subjects[0]:
		var h ledger.Heartbeat
		if err := json.Unmarshal(msg.Data, &h); err != nil {
			return err
		}
		f.Heard(h)
	case subjects[1]:
		var a ledger.Acknowledgement
		if err := json.Unmarshal(msg.Data, &a); err != nil {
			return err
		}
		f.Acknowledged(a)
	case subjects[2]:
		var q question
		if err := json.Unmarshal(msg.Data, &q); err != nil || q.Node == l.options.Node {
			return err
		}
		a, ok := f.Asked(q.Ref)
		if !ok {
			return nil
		}
		b, err := json.Marshal(a)
		return errors.Join(err, msg.Respond(b))
	}
	return nil
}
