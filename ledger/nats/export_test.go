package nats

import "time"

// Trim lets tests trim what is young and little.
func (l *Ledger) Trim(age time.Duration, atLeast uint64) (uint64, error) { return l.trim(age, atLeast) }

// Restates is the epoch that lacks something which this node has yet to write; 0:
// none does.
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

// Settled has the connection be there for long.
func (l *Ledger) Settled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
}

// Server is the one that the node is connected to.
func (l *Ledger) Server() string { return l.conn.ConnectedServerName() }

// LookAtDocuments lets tests ask for the streams of documents at once.
func (l *Ledger) LookAtDocuments() bool { return l.documents.look() }
