package signals

import (
	"strconv"
	"testing"
	"time"
)

// A sender that never repeats itself fills no memory.
func TestWhatWasSeenIsBounded(t *testing.T) {
	var s seen
	now := time.Unix(1_800_000_000, 0)
	for i := range 3 * maxSeen {
		s.add(seenID("issuer", strconv.Itoa(i)), now.Add(time.Minute), now)
	}
	if len(s.all) > maxSeen || !s.has(seenID("issuer", strconv.Itoa(3*maxSeen-1)), now) {
		t.Errorf("it remembers %d", len(s.all))
	}
	if s.has(seenID("issuer", strconv.Itoa(3*maxSeen-1)), now.Add(time.Minute)) || s.has(seenID("other", "0"), now) {
		t.Error("it remembers what is over, or another's")
	}
}
