//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// ports hands out addresses on which a process that is started later can
// listen. They lie below the ephemeral range, so no outgoing connection takes
// one in between, and each is given once.
var ports = struct {
	sync.Mutex
	next int
}{next: 20000 + os.Getpid()%100*100}

func freeAddress(t *testing.T) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", ports.next)
		ports.next++
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free below the ephemeral range")
	return ""
}
