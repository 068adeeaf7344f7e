package nats

import "time"

// ownTick has two facts about the ticks of this node: the instant at which the last
// acknowledged one was sent, and the stream's stamp on the last one that this node
// has read. They may be of different ticks, because a node that catches up reads
// its own ticks late. Only the facts of one tick may be compared; any others would
// make the clock look wrong.
type ownTick struct {
	acked uint64 // by sequence
	sent  time.Time
	came  uint64
	stamp time.Time
}

// tickAcknowledged records the sequence of a tick of this node.
func (l *Ledger) tickAcknowledged(sequence uint64, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticked.acked, l.ticked.sent = sequence, sent
	l.measureTick()
}

// tickCame records the stamp of a tick of this node that it has read.
func (l *Ledger) tickCame(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticked.came, l.ticked.stamp = m.sequence, m.stamp
	l.measureTick()
}

// measureTick measures the clock if both facts are of the same tick. The caller
// holds mu.
func (l *Ledger) measureTick() {
	if t := &l.ticked; t.acked == t.came {
		l.measure(t.sent, t.stamp)
	}
}

// patient is the longest time since a message was sent at which its stamp still
// measures the clock.
const patient = time.Second

// measure compares this node's clock with the stream's stamp on a message of this
// node. The caller holds mu.
func (l *Ledger) measure(sent, stamp time.Time) {
	now := l.options.Now()
	if sent.IsZero() || now.Sub(sent) > patient {
		return
	}
	middle := sent.Add(now.Sub(sent) / 2)
	l.connection.Offset, l.connection.Measured = middle.Round(0).Sub(stamp), true
}
