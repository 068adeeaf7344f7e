package nats

import "time"

// ownTick is what is known of the ticks of this node: when the last that was
// acknowledged was sent, and what the stream stamped on the last that came
// round. They need not be the same: a node that reads what it has missed gets
// its own ticks late, after it has sent others, and one stamp beside the instant
// of another would make its clock look wrong.
type ownTick struct {
	acked uint64 // by sequence
	sent  time.Time
	came  uint64
	stamp time.Time
}

// tickAcknowledged notes where a tick of this node stands.
func (l *Ledger) tickAcknowledged(sequence uint64, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticked.acked, l.ticked.sent = sequence, sent
	l.measureTick()
}

// tickCame notes that a tick of this node came round.
func (l *Ledger) tickCame(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticked.came, l.ticked.stamp = m.sequence, m.stamp
	l.measureTick()
}

// measureTick measures by a tick of which all is known. The caller holds mu.
func (l *Ledger) measureTick() {
	if t := &l.ticked; t.acked == t.came {
		l.measure(t.sent, t.stamp)
	}
}

// patient is how long a message may have been under way to say anything of the
// clock.
const patient = time.Second

// measure compares this node's clock with the stamp that a message of its own
// got on its way. The caller holds mu.
func (l *Ledger) measure(sent, stamp time.Time) {
	now := l.options.Now()
	if sent.IsZero() || now.Sub(sent) > patient {
		return
	}
	middle := sent.Add(now.Sub(sent) / 2)
	l.connection.Offset, l.connection.Measured = middle.Round(0).Sub(stamp), true
}
