package admin

import (
	"curfew.dev/curfew/internal/httpapi"
)

// A caller may write and ask so fast, and may have so much under way at once. A
// sign-out must never wait behind a script that has gone wild.
var (
	writeRate = httpapi.Rate{PerSecond: 1000, AtOnce: 5000}
	askRate   = httpapi.Rate{PerSecond: 100, AtOnce: 1000}
)

const (
	importsAtOnce = 2
	askingAtOnce  = 16
	feedsAtOnce   = 16
	// feedsOfARole bounds all streams of callers with the same role. The tokens of
	// a provider may name any number of callers, and callers of a small role must
	// not take the streams of those of a greater one.
	feedsOfARole = 256
)

// boundWrites is for operations that write one record. Imports have slots, and
// reading by id costs nothing.
func (a *api) boundWrites(c *httpapi.Call) (func(), *Problem) {
	if wait := a.Memory.writes.Take(writeRate, c.Caller, a.Now()); wait > 0 {
		return nil, httpapi.TooMany.Because("a caller may write %d times a second, %d at once: send many in one import", writeRate.PerSecond, writeRate.AtOnce).
			RetryIn(wait)
	}
	return nil, nil
}

// boundAsking is for previews, searches and explanations.
func (a *api) boundAsking(c *httpapi.Call) (func(), *Problem) {
	if p := a.paysForAsking(c); p != nil {
		return nil, p
	}
	if !a.Memory.asking.Enter(c.Caller, askingAtOnce) {
		return nil, httpapi.TooMany.Because("a caller may have %d previews, searches and explanations under way: wait for the answer of one", askingAtOnce).RetryAfter(1)
	}
	return func() { a.Memory.asking.Leave(c.Caller) }, nil
}

// boundFeeds is for streams of events.
func (a *api) boundFeeds(c *httpapi.Call) (func(), *Problem) {
	if p := a.paysForAsking(c); p != nil {
		return nil, p
	}
	feeds, role := &a.Memory.feeds, Caller{Name: c.Caller.Role.String()} // no caller is without a source
	if !feeds.Enter(c.Caller, feedsAtOnce) {
		return nil, httpapi.TooMany.Because("a caller may have %d streams of events: close one", feedsAtOnce).RetryAfter(5)
	}
	if !feeds.Enter(role, feedsOfARole) {
		feeds.Leave(c.Caller)
		return nil, httpapi.TooMany.Because("callers with the role %s may have %d streams of events together", c.Caller.Role, feedsOfARole).RetryAfter(5)
	}
	return func() {
		feeds.Leave(c.Caller)
		feeds.Leave(role)
	}, nil
}

func (a *api) paysForAsking(c *httpapi.Call) *Problem {
	if wait := a.Memory.asks.Take(askRate, c.Caller, a.Now()); wait > 0 {
		return httpapi.TooMany.Because("a caller may ask for %d previews, searches, explanations and streams a second, %d at once", askRate.PerSecond, askRate.AtOnce).
			RetryIn(wait)
	}
	return nil
}
