package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// The bounds of docs/connections.md.
const (
	singleP99 = 50 * time.Millisecond
	allWithin = 2 * time.Second
)

// report holds the figures of a run.
type report struct {
	plan                           plan
	emptyMemory, fullMemory        int
	opened                         time.Duration
	single, all                    []time.Duration
	answered                       time.Duration
	quiet, duringSingle, duringAll []time.Duration
}

func (r *report) print(w io.Writer, reportOnly bool) error {
	p := r.plan
	fmt.Fprintf(w, "%d WebSockets, %d event streams over HTTP/1.1 and %d over HTTP/2, of %d users (opened in %v)\n",
		p.webSockets, p.events1, p.events2, p.users, r.opened.Round(time.Millisecond))
	fmt.Fprintf(w, "memory of the gateway for each, guarded %v: %d bytes\n", p.guarded, (r.fullMemory-r.emptyMemory)/p.total())
	if !p.guarded {
		return nil
	}
	row := func(name string, times []time.Duration) {
		fmt.Fprintf(w, "%-46s %6d  p50 %9v  p99 %9v  max %9v\n", name, len(times), at(times, 50), at(times, 99), at(times, 100))
	}
	row("one user signed out, until a connection ended", r.single)
	row("everybody signed out, until a connection ended", r.all)
	fmt.Fprintf(w, "%-46s answered in %v\n", "everybody signed out", r.answered.Round(time.Microsecond))
	row("other requests, quiet", r.quiet)
	row("other requests, while one user is signed out", r.duringSingle)
	row("other requests, while everybody is", r.duringAll)
	if reportOnly {
		return nil
	}
	var missed []error
	if got := at(r.single, 99); got > singleP99 {
		missed = append(missed, fmt.Errorf("signing one user out took %v (p99), the bound is %v", got, singleP99))
	}
	if got := at(r.all, 100); got > allWithin {
		missed = append(missed, fmt.Errorf("signing everybody out took %v, the bound is %v", got, allWithin))
	}
	return errors.Join(missed...)
}

// at returns a percentile, rounded up to a sample.
func at(times []time.Duration, percent int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	i := (len(times)*percent+99)/100 - 1
	return times[max(i, 0)].Round(time.Microsecond)
}
