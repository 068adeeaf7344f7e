// Package porttest keeps TCP ports of 127.0.0.1 for servers that a test starts
// later, starts again, or has another process start. A port that was free a
// moment ago may be another test's by then; Caddy even shares it with another
// Caddy, and neither notices. It must never be imported by anything that ships.
package porttest

import (
	"fmt"
	"strconv"
	"testing"
)

// tries is how many rows are looked at before there is none.
const tries = 1000

// Keep returns n ports. Until the test ends nobody gets one of them who asks for
// any port; who asks for it by its number does.
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

// KeepRow does what Keep does for n ports in a row, and returns the first.
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
