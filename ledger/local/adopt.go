package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Adopt accepts the ledger in o.Dir even if it is damaged, shortened or swapped. It
// begins a new epoch after the entries that can still be verified. The epoch is
// greater than any in the log, the position or the witness. Unless o.OnEmpty is
// [Start], the new epoch signs everybody out, because the missing entries are
// unknown. The old files are kept in o.Dir as *.damaged-<time>. Idempotency keys
// are not carried over. Adopt returns the report of the adopted ledger. If a newer
// build wrote some entries, Adopt changes nothing, and the error wraps
// [revocation.ErrNewer].
func Adopt(o Options) (Report, error) {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return Report{}, err
	}
	defer lock.Close()
	if err := settle(o.Dir); err != nil {
		return Report{}, err
	}
	empty, err := isEmpty(o.Dir)
	if err != nil {
		return Report{}, err
	}
	if empty {
		return Report{}, fmt.Errorf("adopting %s: it is empty; run `caddy curfew init`", o.Dir)
	}
	prefix := findPrefix(filepath.Join(o.Dir, fileLog))
	if prefix.newer != nil {
		return Report{}, fmt.Errorf("adopting %s would lose what this build can't read: %w", o.Dir, prefix.newer)
	}
	trace, err := openTrace(o.Witness, prefix.identity)
	if err != nil {
		return Report{}, err
	}
	defer trace.close()
	seen, _ := readWitness(o.Witness) // an unreadable witness is set aside too
	aside, epoch := asideSuffix(o.now()), prefix.newestEpoch(o, trace)+1
	err = installation{
		dir:      o.Dir,
		epoch:    epoch,
		succeeds: seen,
		salvage:  prefix.copyTo,
		genesis:  o.genesis(prefix.recorded),
		aside:    aside,
	}.run()
	if err != nil {
		return Report{}, err
	}
	if _, _, err := LoadSubjects(o.Dir); err != nil {
		// Nobody can say any more what it said. The new epoch may begin with another.
		if err := SaveSubjects(o.Dir, Subjects{Epoch: epoch - 1}); err != nil {
			return Report{}, fmt.Errorf("replacing a damaged file: %w", err)
		}
	}
	for _, path := range []string{trace.path, o.Witness} {
		if err := keepWitness(path, o.Dir, aside); err != nil {
			return Report{}, err
		}
	}
	return inspect(o.Dir, o.Witness), nil
}

// keepWitness rewrites the witness at path for the adopted ledger in dir, so that
// the next start doesn't refuse this ledger because of the old one.
func keepWitness(path, dir, aside string) error {
	if path == "" {
		return nil
	}
	if err := os.Rename(path, path+aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("setting the old witness aside: %w", err)
	}
	head, err := readPosition(filepath.Join(dir, filePosition))
	if err != nil {
		return err
	}
	return writeWitness(path, head)
}

// prefix is the part of a damaged log that can be verified.
type prefix struct {
	path     string
	meta     int // the index of the readable meta page that leads to the most
	head     ledger.Head
	identity identity
	recorded time.Time // the newest instant in it
	newer    error     // set if the next entry is intact, but from a newer build
}

// findPrefix returns the longest verified prefix. A log that can't be opened has
// none.
func findPrefix(path string) (best prefix) {
	best = prefix{path: path, meta: -1}
	for meta := range 2 {
		p := prefix{path: path, meta: meta}
		var err error
		p.head, err = p.each(func(e entry, records []revocation.Record) error {
			for i := range records {
				if at := time.UnixMilli(records[i].Newest()); at.After(p.recorded) {
					p.recorded = at
				}
			}
			if p.identity == (identity{}) {
				p.identity = e.Chain
			}
			return nil
		})
		if errors.Is(err, revocation.ErrNewer) { // any other error ends the prefix
			p.newer = err
		}
		if p.head.Position.Compare(best.head.Position) > 0 {
			best = p
		}
	}
	return best
}

// newestEpoch returns the greatest epoch in any of the files.
func (p prefix) newestEpoch(o Options, t trace) uint64 {
	epoch := p.head.Position.Epoch
	for _, path := range []string{filepath.Join(o.Dir, filePosition), o.Witness, t.path} {
		if h, err := readPosition(path); err == nil {
			epoch = max(epoch, h.Position.Epoch)
		}
	}
	return epoch
}

// errEnd ends the walk after the verified prefix.
var errEnd = errors.New("end of the prefix")

func (p prefix) copyTo(w *logWriter) error {
	if p.meta < 0 {
		return nil
	}
	_, err := p.each(func(e entry, records []revocation.Record) error {
		if err := w.add(e.Position, e.payload, records); err != nil {
			return fmt.Errorf("copying entry %s: %w", e.Position, err)
		}
		if e.Position == p.head.Position {
			return errEnd
		}
		return nil
	})
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// each yields the entries from the first one on until one fails to verify, and
// returns the last. It reads the pages itself, because bbolt must not open a
// damaged file.
func (p prefix) each(yield func(entry, []revocation.Record) error) (last ledger.Head, err error) {
	f, err := os.Open(p.path)
	if err != nil {
		return last, err
	}
	defer f.Close()
	c, metas, err := newPageChecker(f)
	if err != nil {
		return last, err
	}
	if p.meta >= len(metas) {
		return last, errNoMeta
	}
	var chain ledger.Chainer
	c.only = bucketLog
	c.visit = func(k, v []byte) error {
		e, err := entryOf(k, v)
		if err != nil {
			return err
		}
		if err := e.verify(last, &chain); err != nil {
			return err
		}
		records, err := e.records()
		if err != nil {
			return err
		}
		last = e.Head
		return yield(e, records)
	}
	err = c.trees(metas[p.meta])
	return last, err
}

var errNoMeta = errors.New("no such meta page")
