package token

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However many proofs come, in whatever order and whatever the clock does, no proof
// is accepted twice, the memory stays within its limit, and forgotten is only what
// no longer counts.
func TestNoProofIsAcceptedTwiceAndMemoryIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Replays{limit: rapid.IntRange(1, 20).Draw(t, "limit")}
		accepted := make(map[string]bool)
		now := int64(1_000_000)
		for range rapid.IntRange(1, 200).Draw(t, "proofs") {
			now += rapid.SampledFrom([]int64{0, 0, 0, 1, 5, 61, 200, 3600, -1, -30, -3600}).Draw(t, "time passes")
			at := now + rapid.Int64Range(-60, 60).Draw(t, "age")
			// A proof has one time and one id.
			id := strconv.FormatInt(at, 10) + "/" + strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "id"))
			ok := r.Use("key", id, time.Unix(at, 0), time.Unix(now, 0))
			if ok && accepted[id] {
				t.Fatalf("proof %s is accepted twice", id)
			}
			accepted[id] = accepted[id] || ok
			if r.Len() > r.limit {
				t.Fatalf("%d proofs are remembered, the limit is %d", r.Len(), r.limit)
			}
			sum := 0
			for _, proofs := range r.seconds {
				sum += len(proofs)
			}
			if sum != r.count {
				t.Fatalf("%d proofs are counted as %d", sum, r.count)
			}
		}
	})
}

// A flood by one client makes the time short that old proofs are good for. It locks
// out nobody who makes proofs now.
func TestAFloodDoesNotLockOutFreshProofs(t *testing.T) {
	r := Replays{limit: 1000}
	now := int64(1_000_000)
	for second := range int64(120) {
		for n := range 300 {
			r.Use("flood", strconv.FormatInt(second*1000+int64(n), 10), time.Unix(now+second, 0), time.Unix(now+second, 0))
		}
		if !r.Use("alice", strconv.FormatInt(second, 10), time.Unix(now+second, 0), time.Unix(now+second, 0)) {
			t.Fatalf("second %d: a fresh proof of somebody else is refused", second)
		}
		if r.Use("alice", strconv.FormatInt(second, 10), time.Unix(now+second, 0), time.Unix(now+second, 0)) {
			t.Fatalf("second %d: a proof is accepted twice", second)
		}
	}
	if r.Len() > 1000 {
		t.Errorf("%d proofs are remembered", r.Len())
	}
}

// A clock that was ahead for a while locks out nobody who has the right time.
func TestAClockThatWasAheadLeavesProofsUsable(t *testing.T) {
	var r Replays
	use := func(id string, at, now int64) bool { return r.Use("key", id, time.Unix(at, 0), time.Unix(now, 0)) }
	const now = 1_000_000
	if !use("before", now+5, now) {
		t.Fatal("a fresh proof is refused")
	}
	// For an hour, clients whose clocks are wrong too get in: a nonce tells them the time.
	for second := int64(now + 86400); second < now+90000; second += 7 {
		use("ahead", second, second)
	}
	if use("before", now+5, now+1) || use("before", now+5, now+65) {
		t.Error("a proof is accepted twice")
	}
	if !use("after", now+6, now+6) {
		t.Error("when the clock is right again, a fresh proof is refused")
	}
	if use("ahead", now+86400, now+86400) {
		t.Error("a proof of the wrong time is accepted twice when that time has come")
	}
}

func TestOneClientCannotUseUpTheProofsOfAnother(t *testing.T) {
	var r Replays
	now := time.Unix(1_000_000, 0)
	if !r.Use("mallory", "1", now, now) || !r.Use("alice", "1", now, now) || r.Use("alice", "1", now, now) {
		t.Error("jti are not kept apart by key")
	}
}

func TestProofsAreForgottenWhenTheirTimeHasPassed(t *testing.T) {
	var r Replays
	now := time.Unix(1_000_000, 0)
	for n := range 100 {
		r.Use("key", strconv.Itoa(n), now, now)
	}
	later := now.Add(ProofWindow + time.Second)
	if r.Use("key", "last", later, later); r.Len() != 1 {
		t.Errorf("%d proofs are remembered", r.Len())
	}
}
