package main

import (
	"os"
	"testing"
)

// The children of a test run are the test binary in another role.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "-role" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A run with a few connections of each kind shows that the benchmark still
// runs. The bounds are for a machine without other load.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a gateway")
	}
	small := plan{webSockets: 10, events1: 10, events2: 20, users: 5, signOuts: 2, guarded: true}
	if err := measure(t.Context(), small, true); err != nil {
		t.Error(err)
	}
}
