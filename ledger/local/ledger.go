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
	begun     *beginning // nil unless this opening began the ledger

	gate   sync.RWMutex // guards closed, and holds Close back while a send on queue runs
	closed bool
	queue  chan *request
	done   chan struct{} // the appender has ended
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in o.Dir. In an empty directory it begins one. It fails
// with [ledger.ErrLocked] while another process has the directory, with
// [ledger.ErrIntegrity] after damage, and with [ledger.ErrUninitialised] if an
// empty directory must wait for [Init]. A full disk doesn't prevent opening:
// reads succeed, and appends fail until there is space.
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

// recognise checks the log against the head that was last seen at its path, and
// against the head that was last seen of the same ledger at any path.
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

// WitnessErr returns the last error of reading or writing the witness. It is nil
// after a success, and if no witness is configured.
func (l *Ledger) WitnessErr() error { return l.witness.Err() }

// Close waits for the appends under way and releases the files. It removes them
// if [Options].Withdraw says so. A second Close is no error.
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
