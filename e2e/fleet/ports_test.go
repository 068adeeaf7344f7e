//go:build e2e

package fleet

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// ports hands out addresses on which a process that is started later can
// listen. They lie below the ephemeral range and apart from those of ./e2e, and each
// is given once.
var ports = struct {
	sync.Mutex
	next int
}{next: 10000 + os.Getpid()%90*100}

func freeAddress() string {
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
	panic("no port is free below the ephemeral range")
}
