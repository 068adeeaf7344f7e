package local

import (
	"os"
	"sync"

	"curfew.dev/curfew/ledger"
)

// Ledger is an open local ledger. See [ledger.Ledger] for its contract.
type Ledger struct {
	files
	witness *witness

	gate   sync.RWMutex // closed against sends on queue
	closed bool
	queue  chan *request
	done   chan struct{} // the appender has ended
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in o.Dir, or begins one where the directory is empty.
// Errors wrap [ledger.ErrLocked], [ledger.ErrIntegrity] or
// [ledger.ErrUninitialised] where these are the reason. A full disk doesn't
// prevent it: the ledger can be read, and appends fail until there is space.
func Open(o Options) (*Ledger, error) {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	l, err := open(o, lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return l, nil
}

func open(o Options, lock *os.File) (*Ledger, error) {
	if err := settle(o.Dir); err != nil {
		return nil, err
	}
	seen, witnessErr := readWitness(o.Witness)
	if err := begin(o.knowing(seen), seen, witnessErr); err != nil {
		return nil, err
	}
	l := &Ledger{files: files{options: o, lock: lock}, queue: make(chan *request, queueLength), done: make(chan struct{})}
	if err := l.start(seen); err != nil {
		return nil, err
	}
	l.witness = newWitness(o.Witness, l.Head(), witnessErr)
	go l.run()
	return l, nil
}

// WitnessErr says why the witness could not be read or written lately, nil
// where it could or none is configured.
func (l *Ledger) WitnessErr() error { return l.witness.Err() }

// Close waits for appends under way and releases the files. Closing twice is
// no error.
func (l *Ledger) Close() error {
	l.gate.Lock()
	if l.closed {
		l.gate.Unlock()
		<-l.done
		return nil
	}
	l.closed = true
	close(l.queue)
	l.gate.Unlock()
	<-l.done

	l.witness.close()
	return l.files.close()
}
