package local

import (
	"errors"
	"os"
	"sync"

	"curfew.dev/curfew/ledger"
)

// Ledger is an open local ledger. See [ledger.Ledger] for its contract.
type Ledger struct {
	files
	witness *witness
	trace   trace
	// documents are in a file of their own.
	documents *documents
	begun     *beginning // by this opening; nil: it was there

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
	begun, err := begin(o.knowing(seen), seen, witnessErr)
	if err != nil {
		return nil, err
	}
	l := &Ledger{files: files{options: o, lock: lock}, queue: make(chan *request, queueLength), done: make(chan struct{})}
	err = l.start(func(s *store) error { return l.recognise(s, seen) })
	if err != nil {
		_ = l.trace.close()
		return nil, err
	}
	if begun {
		l.begun = &beginning{head: l.Head(), before: seen}
		o.began(seen, l.Head())
	}
	l.documents = newDocuments(o)
	l.witness = newWitness(l.Head(), errors.Join(witnessErr, l.trace.err), o.Witness, l.trace.path)
	go l.run()
	return l, nil
}

// recognise checks the log against what was seen at its path, and what was seen
// of the same ledger at any.
func (l *Ledger) recognise(s *store, seen ledger.Head) error {
	if err := s.acceptable(seen); err != nil {
		return err
	}
	id, err := s.identity()
	if err != nil {
		return err
	}
	if l.trace, err = openTrace(l.options.Witness, id); err != nil {
		return err
	}
	return s.acceptable(l.trace.seen)
}

// WitnessErr says why the witness could not be read or written lately, nil
// where it could or none is configured.
func (l *Ledger) WitnessErr() error { return l.witness.Err() }

// Close waits for appends under way and releases the files, or removes them as
// [Options].Withdraw says. Closing twice is no error.
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
	vain := l.inVain()
	err := errors.Join(l.release(), l.documents.close())
	if vain {
		err = errors.Join(err, l.withdraw())
	}
	return errors.Join(err, l.trace.close(), l.lock.Close())
}
