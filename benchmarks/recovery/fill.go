package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// batch is the number of entries in one commit while a replica is made. It is
// much larger than on a node, because this step is not measured.
const batch = 200_000

// fill makes a replica of n entries in a directory, unless it exists.
func fill(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of a replica: %w", err)
	}
	r, err := local.OpenReplica(local.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer r.Close()
	for at := int(r.Head().Position.Sequence); at < n; {
		copies := make([]local.Copy, min(batch, n-at))
		for i := range copies {
			at++
			copies[i] = local.Copy{
				Position: revocation.Position{Epoch: 1, Sequence: uint64(at)},
				Records:  []revocation.Record{record(at)},
			}
		}
		if err := r.Commit(copies, nil); err != nil {
			return fmt.Errorf("filling a replica: %w", err)
		}
	}
	return r.Close()
}

// record returns the record that a help desk writes when a user has lost a
// phone. Each record is for another user.
func record(n int) revocation.Record {
	if n == 1 {
		return revocation.Record{Type: revocation.Genesis, Source: "genesis", Time: accepted(1)}
	}
	const skew = 2
	at := accepted(n)
	return revocation.Record{
		Type:      revocation.Cut,
		Target:    revocation.Target{Issuer: "https://login.example.com", Subject: fmt.Sprintf("auth0|%024x", n*2654435761)},
		Mode:      revocation.SignIn,
		At:        at,
		Through:   at/1000 + skew,
		Keep:      int64(90 * 24 * time.Hour / time.Second),
		Source:    "admin",
		Actor:     fmt.Sprintf("helpdesk-%d", n%50),
		Reason:    "lost phone",
		Remote:    fmt.Sprintf("192.0.2.%d:%d", n%256, 1024+n%60000),
		RequestID: fmt.Sprintf("%032x", n*40503),
		Time:      at + 3,
	}
}

// accepted returns the time of the nth record, in Unix milliseconds. There is
// one record every 100 ms.
func accepted(n int) int64 { return 1_760_000_000_000 + int64(n)*100 }

// diskBytes returns the size of the files of a replica.
func diskBytes(dir string) (bytes int64, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		info, statErr := os.Stat(file)
		if statErr != nil {
			return 0, statErr
		}
		bytes += info.Size()
	}
	return bytes, err
}
