package nats

import "time"

// Trim lets tests trim few and young messages.
func (l *Ledger) Trim(age time.Duration, atLeast uint64) (uint64, error) { return l.trim(age, atLeast) }

// Restates returns the epoch into which this node must still write records, or 0.
func (l *Ledger) Restates() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.Restates
}

// Verify lets tests ask the servers for their settings at once.
func (l *Ledger) Verify() error {
	_, info, err := streamInfo(l.ctx, l.js, l.options.Stream)
	if err == nil {
		l.verify(info)
	}
	return err
}

// Settled makes the connection count as old.
func (l *Ledger) Settled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
}

// Server returns the server to which the node is connected.
func (l *Ledger) Server() string { return l.conn.ConnectedServerName() }

// LookAtDocuments lets tests check the streams of documents at once.
func (l *Ledger) LookAtDocuments() bool { return l.documents.look() }
