package natstest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"
)

// User creates a pair of NKEYs. It returns the public key for the servers, and the
// path of a file with the seed for a node.
func User(t testing.TB) (public, seedFile string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	seedFile = filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(seedFile, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return public, seedFile
}
