package node

import (
	"time"

	"curfew.dev/curfew/revocation"
)

// Observer hears of the events of a node, for metrics and logs. Calls come from
// several goroutines and must not block.
type Observer interface {
	// Appended: an append took so long, with its outcome.
	Appended(took time.Duration, err error)
	// Written: records of this node are durable at a position.
	Written(pos revocation.Position, records []revocation.Record)
	// Enforced: a record of a source is in force so long after it was accepted.
	Enforced(source string, took time.Duration)
	// EnforcedEverywhere: a record that this node wrote is in force on each node
	// so long after it was accepted, or each other one has fenced itself.
	EnforcedEverywhere(took time.Duration)
	// Changed: the node is in another state, and why.
	Changed(s State, why error)
	// Replayed: the ledger is read so far at the start, which takes long.
	Replayed(Replay)
	// Doubted: something makes a clock look wrong, by so much; by 0: no longer.
	Doubted(d ClockDoubt, by time.Duration)
}

type nobody struct{}

func (nobody) Appended(time.Duration, error)                    {}
func (nobody) Written(revocation.Position, []revocation.Record) {}
func (nobody) Enforced(string, time.Duration)                   {}
func (nobody) EnforcedEverywhere(time.Duration)                 {}
func (nobody) Replayed(Replay)                                  {}
func (nobody) Changed(State, error)                             {}
func (nobody) Doubted(ClockDoubt, time.Duration)                {}
