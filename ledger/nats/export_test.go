package nats

import "time"

// Trim lets tests trim what is young and little.
func (l *Ledger) Trim(age time.Duration, atLeast uint64) (uint64, error) { return l.trim(age, atLeast) }

// Verify lets tests ask the servers for their settings at once.
func (l *Ledger) Verify() error {
	_, info, err := streamInfo(l.ctx, l.js, l.options.Stream)
	if err == nil {
		l.verify(info)
	}
	return err
}
