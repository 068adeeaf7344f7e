package node_test

import (
	"context"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// longLog is a ledger of many entries that waits in the midst of them.
type longLog struct {
	ledger.Ledger
	half, on chan struct{}
}

const longLogEntries = 3 * 4096

func (l longLog) Head() ledger.Head {
	return ledger.Head{Position: revocation.Position{Epoch: 1, Sequence: longLogEntries}}
}

func (l longLog) Err() error   { return nil }
func (l longLog) Close() error { return nil }

func (l longLog) Read(_ context.Context, after revocation.Position, yield func(revocation.Entry) error) error {
	for s := after.Sequence + 1; s <= longLogEntries; s++ {
		if err := yield(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: s}}); err != nil {
			return err
		}
		if s == 2*4096 {
			close(l.half)
			<-l.on
		}
	}
	return nil
}

func TestAStartTellsHowFarItHasReadTheLedger(t *testing.T) {
	l := longLog{half: make(chan struct{}), on: make(chan struct{})}
	n := node.New(node.Config{Name: "a", Instance: "1", Open: func() (ledger.Ledger, error) { return l, nil }})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	<-l.half
	if got, reading := n.Replay(); !reading || got != (node.Replay{At: 2 * 4096, Of: longLogEntries}) {
		t.Errorf("%+v, %v", got, reading)
	}
	close(l.on)
	for {
		changed := n.Changes()
		if n.State() == node.Ready {
			break
		}
		<-changed
	}
	if got, reading := n.Replay(); reading {
		t.Errorf("a node that is ready reads: %+v", got)
	}
}
