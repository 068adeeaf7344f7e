package node

import (
	"testing"
	"time"
)

// An instant that a receipt gives is never before the one that is meant: who was
// admitted in the same millisecond, but earlier, was admitted rightly.
func TestInstantsOfReceiptsAreRoundedUp(t *testing.T) {
	whole := time.Date(2026, 11, 20, 10, 0, 0, 123e6, time.UTC)
	for _, tt := range []struct{ meant, given time.Time }{
		{whole, whole},
		{whole.Add(1), whole.Add(time.Millisecond)},
		{whole.Add(618758 * time.Nanosecond), whole.Add(time.Millisecond)},
		{whole.Add(time.Millisecond - 1), whole.Add(time.Millisecond)},
	} {
		if got := notBefore(tt.meant); !got.Equal(tt.given) {
			t.Errorf("%s: given as %s, want %s", tt.meant, got, tt.given)
		}
	}
}
