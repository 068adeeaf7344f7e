//go:build !linux

package porttest

import (
	"fmt"
	"net"
)

// hold returns a port that is free now. It does not keep the port, because only
// Linux allows that.
func hold(port int) (held int, release func(), err error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, nil, err
	}
	return l.Addr().(*net.TCPAddr).Port, func() {}, l.Close()
}
