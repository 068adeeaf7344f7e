package nats

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// Servers have two ways to say that another message came first: one where the
// stream has replicas and the other message is still on its way to them.
func TestOvertaken(t *testing.T) {
	for code, want := range map[jetstream.ErrorCode]bool{10071: true, 10164: true, 10077: false} {
		if got := overtaken(fmt.Errorf("publishing: %w", &jetstream.APIError{ErrorCode: code})); got != want {
			t.Errorf("%d: %t", code, got)
		}
	}
}
