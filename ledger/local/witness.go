package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"curfew.dev/curfew/ledger"
)

// witnessInterval is the least time between two writes of the witness. The witness
// tells an old copy from a current one, so it need not be the newest head.
const witnessInterval = time.Second

// readWitness returns the last head that this machine has seen, or zero.
func readWitness(path string) (ledger.Head, error) {
	if path == "" {
		return ledger.Head{}, nil
	}
	h, err := readPosition(path)
	if errors.Is(err, os.ErrNotExist) {
		return ledger.Head{}, nil
	}
	return h, err
}

// witness keeps copies of the position outside the directory. A nil witness
// keeps none.
type witness struct {
	paths []string
	wake  chan ledger.Head // holds at most the newest head
	stop  chan struct{}
	done  chan struct{}

	mu  sync.Mutex
	err error
}

// newWitness returns a witness with copies at paths. It skips empty paths.
func newWitness(h ledger.Head, err error, paths ...string) *witness {
	paths = slices.DeleteFunc(paths, func(path string) bool { return path == "" })
	if len(paths) == 0 {
		return nil
	}
	w := &witness{paths: paths, wake: make(chan ledger.Head, 1), stop: make(chan struct{}), done: make(chan struct{}), err: err}
	w.see(h)
	go w.run()
	return w
}

// see queues a head to be written. It has one caller at a time and never waits.
func (w *witness) see(h ledger.Head) {
	if w == nil {
		return
	}
	select {
	case <-w.wake:
	default:
	}
	w.wake <- h
}

func (w *witness) run() {
	defer close(w.done)
	for {
		select {
		case h := <-w.wake:
			w.write(h)
		case <-w.stop:
			return
		}
		select {
		case <-time.After(witnessInterval):
		case <-w.stop:
			return
		}
	}
}

func (w *witness) write(h ledger.Head) {
	var errs []error
	for _, path := range w.paths {
		errs = append(errs, writeWitness(path, h))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(errs...)
}

// Err returns the result of the last write.
func (w *witness) Err() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// close writes the last head. Err returns the error, if any. A failure loses no
// entries.
func (w *witness) close() {
	if w == nil {
		return
	}
	close(w.stop)
	<-w.done
	select {
	case h := <-w.wake:
		w.write(h)
	default:
	}
}

func writeWitness(path string, h ledger.Head) error {
	next := path + staged
	if err := createPosition(next, h); err != nil {
		return fmt.Errorf("writing the witness: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("writing the witness: %w", err)
	}
	return syncDir(filepath.Dir(path))
}
