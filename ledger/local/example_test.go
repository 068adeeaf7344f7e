package local_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// A record that was acknowledged is there after a restart, and the same key adds
// it once.
func Example() {
	dir, err := os.MkdirTemp("", "curfew-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	block := []revocation.Record{{
		Type: revocation.Block, Target: revocation.Target{Issuer: "https://login.example.com", Subject: "mallory"},
		Source: "admin", Actor: "helpdesk", Reason: "account taken over",
	}}
	key := ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Now().Add(24 * time.Hour)}
	for range 2 {
		l, err := local.Open(local.Options{Dir: dir, OnEmpty: local.Start})
		if err != nil {
			log.Fatal(err)
		}
		position, replayed, err := l.Append(ctx, block, key)
		if err != nil {
			log.Fatal(err)
		}
		found, err := l.Search(ctx, ledger.Page{Issuer: "https://login.example.com", Subject: "mallory", Limit: 10})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(position, replayed, len(found), found[0].Record.Reason)
		if err := l.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 1.2 false 1 account taken over
	// 1.2 true 1 account taken over
}
