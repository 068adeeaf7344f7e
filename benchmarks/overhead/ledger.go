package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// chunk is the number of records in one entry, as an import writes it.
const chunk = 4096

// fill makes a ledger with a sign_in cut for each of n users. These users send
// no request.
func fill(dir, issuer string, entries int) error {
	l, err := local.Open(local.Options{Dir: dir, OnEmpty: local.Start})
	if err != nil {
		return fmt.Errorf("opening the ledger to fill: %w", err)
	}
	at := time.Now().Add(-time.Minute)
	for n := 0; n < entries; n += chunk {
		records := make([]revocation.Record, min(chunk, entries-n))
		for i := range records {
			records[i] = revocation.Record{
				Type: revocation.Cut, Mode: revocation.SignIn, At: at.UnixMilli(), Time: at.UnixMilli(), Through: at.Unix() + 2,
				Keep: 90 * 86400, Target: revocation.Target{Issuer: issuer, Subject: "signed-out-" + strconv.Itoa(n+i)},
				Source: "admin", Actor: "benchmark",
			}
		}
		if _, _, err := l.Append(context.Background(), records, ledger.Idempotency{}); err != nil {
			_ = l.Close()
			return fmt.Errorf("filling the ledger: %w", err)
		}
	}
	return l.Close()
}
