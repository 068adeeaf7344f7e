// Package porttest reserves TCP ports of 127.0.0.1 for servers that a test
// starts later, starts again, or lets another process start. Without a
// reservation, another test may take a port that was free a moment ago. Two
// Caddy processes can even share a port without an error. Code that ships must
// never import this package.
//
// Read porttest.go first, then hold_linux.go and hold_other.go.
package porttest

import (
	"fmt"
	"strconv"
	"testing"
)

// tries is the number of attempts to find a row of free ports.
const tries = 1000

// Keep returns n ports. Until the test ends, a socket that asks for any port
// gets none of them. A listener that asks for one by its number gets it.
func Keep(tb testing.TB, n int) []string {
	tb.Helper()
	ports := make([]string, n)
	for i := range ports {
		port, release, err := hold(0)
		if err != nil {
			tb.Fatalf("keeping a port: %v", err)
		}
		tb.Cleanup(release)
		ports[i] = strconv.Itoa(port)
	}
	return ports
}

// KeepRow reserves n ports with consecutive numbers, and returns the first.
func KeepRow(tb testing.TB, n int) int {
	tb.Helper()
	var err error
	for range tries {
		var first int
		var release func()
		if first, release, err = holdRow(n); err == nil {
			tb.Cleanup(release)
			return first
		}
	}
	tb.Fatalf("keeping %d ports in a row: %v", n, err)
	return 0
}

func holdRow(n int) (first int, release func(), err error) {
	var held []func()
	release = func() {
		for _, r := range held {
			r()
		}
	}
	for i := range n {
		at := 0
		if i > 0 {
			at = first + i
		}
		port, r, err := hold(at)
		if err != nil {
			release()
			return 0, nil, fmt.Errorf("the port after %d others: %w", i, err)
		}
		if held = append(held, r); i == 0 {
			first = port
		}
	}
	return first, release, nil
}
