package nats

import "time"

// Trim lets tests trim what is young and little.
func (l *Ledger) Trim(age time.Duration, atLeast uint64) (uint64, error) { return l.trim(age, atLeast) }
