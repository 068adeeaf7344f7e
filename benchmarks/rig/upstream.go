package rig

import (
	"bufio"
	"fmt"
	"net"
	"os"
)

// UpstreamRole is the argument that makes a measuring program serve as the
// upstream.
const UpstreamRole = "serve-as-upstream"

// AnswerLength is the length of the body of the upstream's answer, in bytes.
const AnswerLength = 64

const upstreamAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n" +
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// ServeAsUpstream answers every request on the address with the same 64 bytes,
// as cheaply as Go can. It returns only on an error.
func ServeAsUpstream(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening as the upstream: %w", err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accepting as the upstream: %w", err)
		}
		go answer(c)
	}
}

// answer serves a connection. It expects requests without a body.
func answer(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 16<<10)
	for {
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
		}
		if _, err := c.Write([]byte(upstreamAnswer)); err != nil {
			return
		}
	}
}

// StartUpstream runs this program again as the upstream.
func StartUpstream(dir string, cpus string) (*Process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("finding this program: %w", err)
	}
	address, err := FreeAddress()
	if err != nil {
		return nil, "", err
	}
	p, err := Start(Command{Name: "upstream", Path: self, Args: []string{UpstreamRole, address}, Dir: dir, CPUs: cpus})
	if err != nil {
		return nil, "", err
	}
	return p, address, AwaitListener(p, address)
}
