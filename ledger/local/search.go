package local

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// DefaultLimit is the limit of a search with a limit of zero, in records.
const DefaultLimit = 100

// Search returns records newest first. See [ledger.Ledger]. A limit of zero is
// [DefaultLimit]. A lift belongs to the account of the record that it lifts. A
// restated record is found once, by its Origin.
func (f *files) Search(ctx context.Context, page ledger.Page) ([]ledger.Located, error) {
	s := searcher{page: page, at: page.Before}
	if s.page.Limit <= 0 {
		s.page.Limit = DefaultLimit
	}
	if s.at.IsZero() {
		s.at = newest
	}
	step := s.log
	if page.Issuer != "" && page.Subject != "" {
		step = s.history
	}
	for !s.done {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := f.view(step); err != nil {
			return nil, fmt.Errorf("searching the history: %w", err)
		}
	}
	return s.found, nil
}

// searcher collects a page of records. Each transaction reads one chunk.
type searcher struct {
	page  ledger.Page
	at    revocation.Ref // every record from this ref on was searched
	found []ledger.Located
	done  bool
}

// log searches the next older records of the whole log.
func (s *searcher) log(tx *bolt.Tx) error {
	l := newLookup(tx)
	if s.at.Item > 0 {
		if err := s.position(l, s.at.Position); err != nil {
			return err
		}
	}
	for range chunkEntries {
		if s.done {
			return nil
		}
		p, ok, err := l.before(s.at.Position)
		if err != nil || !ok {
			s.done = true
			return err
		}
		if err := s.position(l, p); err != nil {
			return err
		}
	}
	return nil
}

// position searches the records of a position that are older than at.
func (s *searcher) position(l *lookup, p revocation.Position) error {
	known, err := l.knownAt(p)
	if err != nil {
		return err
	}
	for _, k := range slices.Backward(known) {
		if k.Ref.Compare(s.at) < 0 {
			s.look(l, k)
		}
	}
	s.at = revocation.Ref{Position: p}
	return nil
}

// look adds a record to the page if it matches.
func (s *searcher) look(l *lookup, k ledger.Located) {
	if s.done || !s.wanted(l, &k.Record) {
		return
	}
	s.found = append(s.found, k)
	s.done = len(s.found) >= s.page.Limit
}

func (s *searcher) wanted(l *lookup, r *revocation.Record) bool {
	if len(s.page.Types) > 0 && !slices.Contains(s.page.Types, r.Type) {
		return false
	}
	if s.page.Issuer == "" && s.page.Subject == "" {
		return true
	}
	if r.Type != revocation.Lift {
		return s.hits(r.Target)
	}
	lifted, err := l.known(r.Lifts)
	return err == nil && slices.ContainsFunc(lifted, func(k ledger.Located) bool { return s.hits(k.Record.Target) })
}

func (s *searcher) hits(t revocation.Target) bool {
	return (s.page.Issuer == "" || t.Issuer == s.page.Issuer) && (s.page.Subject == "" || t.Subject == s.page.Subject)
}

// history searches the next older records of one account.
func (s *searcher) history(tx *bolt.Tx) error {
	l := newLookup(tx)
	c := tx.Bucket(bucketHistory).Cursor()
	account := subjectOf(s.page.Issuer, s.page.Subject)
	k, _ := stepBack(c, appendMention(nil, account, s.at))
	for range chunkEntries {
		if len(k) != sizeMention || !bytes.HasPrefix(k, account[:]) {
			s.done = true
			return nil
		}
		s.at = mentioned(k)
		known, err := l.known(s.at)
		if err != nil {
			return damaged("the history names %s: %w", s.at, err)
		}
		for _, k := range slices.Backward(known) {
			s.look(l, k)
		}
		if s.done {
			return nil
		}
		k, _ = c.Prev()
	}
	return nil
}
