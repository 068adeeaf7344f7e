package caddymodule

import "time"

// SetClock has the gateways that are made from now on read the time from
// somewhere else. It returns what undoes that.
func SetClock(now func() time.Time) (undo func()) {
	before := clock
	clock = now
	return func() { clock = before }
}
