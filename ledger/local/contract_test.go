package local_test

import (
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/ledgertest"
	"curfew.dev/curfew/ledger/local"
)

func TestContract(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T, dir string) ledger.Ledger {
		l, err := local.Open(local.Options{Dir: dir, Skew: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}
