package rig

import (
	"math/bits"
	"time"
)

// steps is how many buckets there are between a duration and its double: the
// error of a quantile is below 1.6 %.
const steps = 64

// Latencies is a histogram of durations. The zero value is empty.
type Latencies struct {
	counts [64 * steps]int64
	total  int64
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 1))
	high := bits.Len64(v) - 1
	return high*steps + int(v<<(63-high)>>57&(steps-1))
}

// upper returns the longest duration of a bucket.
func upper(b int) time.Duration {
	high, step := b/steps, uint64(b%steps)
	base := uint64(1) << high
	return time.Duration(base + (step+1)*base/steps)
}

// Note adds a duration.
func (l *Latencies) Note(d time.Duration) {
	l.counts[bucket(d)]++
	l.total++
}

// Add adds the durations of another histogram.
func (l *Latencies) Add(o *Latencies) {
	for i, n := range o.counts {
		l.counts[i] += n
	}
	l.total += o.total
}

// Quantile returns the duration that a fraction q of the durations does not
// exceed. It returns 0 for an empty histogram.
func (l *Latencies) Quantile(q float64) time.Duration {
	if l.total == 0 {
		return 0
	}
	i := 0
	for rank := min(int64(q*float64(l.total)), l.total-1); rank >= l.counts[i]; i++ {
		rank -= l.counts[i]
	}
	return upper(i)
}
