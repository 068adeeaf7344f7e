package httpapi

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	one   = Caller{Source: "admin", Name: "one"}
	other = Caller{Source: "admin", Name: "other"}

	rate = Rate{PerSecond: 1000, AtOnce: 5000}
)

// spend takes until something is refused, and returns how often it could.
func spend(q *Quota, by Caller, now time.Time) (taken int, wait time.Duration) {
	for {
		if wait = q.Take(rate, by, now); wait > 0 {
			return taken, wait
		}
		taken++
	}
}

func TestQuota(t *testing.T) {
	var q Quota
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		name  string
		after time.Duration
		by    Caller
		want  int
	}{
		{"at once", 0, one, rate.AtOnce},
		{"nothing is left", 0, one, 0},
		{"another caller has its own", 0, other, rate.AtOnce},
		{"not yet", rate.interval() - 1, one, 0},
		{"one", 1, one, 1},
		{"a second", time.Second, one, rate.PerSecond},
		{"a day is worth no more than a burst", 24 * time.Hour, one, rate.AtOnce},
		{"a clock set back by a year", -365 * 24 * time.Hour, one, 0},
		{"locks out for no longer than a burst takes", rate.credit(), one, rate.AtOnce},
	} {
		now = now.Add(step.after)
		got, wait := spend(&q, step.by, now)
		if got != step.want {
			t.Errorf("%s: %d writes, want %d", step.name, got, step.want)
		}
		if wait <= 0 || wait > rate.interval() {
			t.Errorf("%s: told to wait %s", step.name, wait)
		}
	}
}

// However calls fall, no span has more of them than a burst and its share.
func TestQuotaHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Quota
		now := time.Unix(1_800_000_000, 0)
		began, taken := now, 0
		for range rapid.IntRange(1, 20).Draw(t, "turns") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "pause")))
			for range rapid.IntRange(0, 2*rate.AtOnce).Draw(t, "calls") {
				if q.Take(rate, one, now) == 0 {
					taken++
				}
			}
			if most := rate.AtOnce + int(now.Sub(began)/rate.interval()); taken > most {
				t.Fatalf("%d writes in %s, want %d at most", taken, now.Sub(began), most)
			}
		}
	})
}

// Tokens of a provider may name any number of callers: none is kept for long.
func TestQuotaForgets(t *testing.T) {
	var q Quota
	now := time.Unix(1_800_000_000, 0)
	for i := range 10 * manyCallers {
		q.Take(rate, Caller{Source: "admin", Name: fmt.Sprint(i)}, now)
		now = now.Add(rate.interval())
	}
	if n := q.Callers(); n > manyCallers {
		t.Errorf("%d callers are remembered", n)
	}
}
