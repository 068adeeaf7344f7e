package nats_test

import (
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/ledgertest"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
)

func TestContract(t *testing.T) {
	c := natstest.Run(t, 1)
	ledgertest.Run(t, func(t *testing.T, dir string) ledger.Ledger {
		l, err := nats.Open(options(c, dir))
		if err != nil {
			t.Fatal(err)
		}
		following(t, l)
		return l
	})
}
