package nats

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// Servers have two errors for a message that came second. They return one of them
// while the first message is still being copied to the stream's replicas.
func TestOvertaken(t *testing.T) {
	for code, want := range map[jetstream.ErrorCode]bool{10071: true, 10164: true, 10077: false} {
		if got := overtaken(fmt.Errorf("publishing: %w", &jetstream.APIError{ErrorCode: code})); got != want {
			t.Errorf("%d: %t", code, got)
		}
	}
}
