package porttest

import (
	"fmt"
	"syscall"
)

// hold binds a socket to a port and never listens on it. Port 0 means any free
// port. Linux then gives the port to no other socket that asks for any port. A
// listener that may reuse addresses, as Go's may, still gets it by its number.
func hold(port int) (held int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("making a socket: %w", err)
	}
	release = func() { _ = syscall.Close(fd) }
	if held, err = bind(fd, port); err != nil {
		release()
		return 0, nil, err
	}
	return held, release, nil
}

func bind(fd, port int) (int, error) {
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("binding port %d: %w", port, err)
	}
	// Set this after the bind: two sockets that set it before could share a
	// port.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, fmt.Errorf("letting listeners have the port: %w", err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("asking for the port: %w", err)
	}
	return address.(*syscall.SockaddrInet4).Port, nil
}
