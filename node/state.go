package node

import (
	"fmt"

	"curfew.dev/curfew/live"
)

// State says whether a node may decide. The zero State is [Starting].
type State uint32

// The states of a node.
const (
	// Starting: the ledger is not read yet, or waits to be initialised, or no
	// tick has proven yet that nothing is missing.
	Starting State = iota
	// Ready: every acknowledged record is in the index.
	Ready
	// Fenced: the node can't prove that it is fresh.
	Fenced
	// Damaged: the ledger failed its integrity checks.
	Damaged
	// Closed: the node has stopped.
	Closed
)

// String is the state's name in the API.
func (s State) String() string {
	return [...]string{"starting", "ready", "fenced", "damaged", "closed"}[s]
}

// become changes the state. When a node stops being ready, all live requests end.
func (n *Node) become(s State, why error) {
	n.mu.Lock()
	before := State(n.state.Load())
	if before != Closed {
		n.set(s, why)
	}
	n.mu.Unlock()
	if before == Ready && s != Ready {
		n.cutAll()
	}
}

// set changes the state, and reports whether that is news. The caller holds mu.
func (n *Node) set(s State, why error) bool {
	same := State(n.state.Load()) == s && fmt.Sprint(n.why) == fmt.Sprint(why)
	n.why = why
	n.state.Store(uint32(s))
	if !same {
		n.wake()
		n.cfg.Observer.Changed(s, why)
	}
	return !same
}

func (n *Node) cutAll() { n.cfg.Live.CutAll(live.Unready) }

// wake closes the channel of Changes. The caller holds mu.
func (n *Node) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// Changes returns a channel that is closed when another entry was applied or the
// state has changed. Take it before looking, or a change may be missed.
func (n *Node) Changes() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// Hold keeps the node from being ready, for a reason that is not the ledger's. It
// follows the ledger all the same, and what is live ends. Nil ends the hold.
func (n *Node) Hold(why error) {
	n.mu.Lock()
	before := n.State()
	told := why
	if why == nil {
		n.held.Store(nil)
		told = n.why
	} else {
		n.held.Store(&why)
	}
	n.wake()
	n.cfg.Observer.Changed(n.State(), told)
	n.mu.Unlock()
	if why != nil && before == Ready {
		n.cutAll()
	}
}

// Why says what keeps the node from being ready, or will if it lasts: that the
// cluster can't be reached. Nil if all is well.
func (n *Node) Why() error {
	if held := n.held.Load(); held != nil && n.State() == Starting {
		return *held
	}
	n.mu.Lock()
	why := n.why
	n.mu.Unlock()
	if f := n.follower.Load(); f != nil && why == nil && n.State() != Closed {
		return f.log.Connection().Problem
	}
	return why
}
