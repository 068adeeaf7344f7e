package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// DefaultLimit is how many records Search returns at most when nobody says.
const DefaultLimit = 100

// Search returns records newest first. See [ledger.Ledger]. A limit of zero is
// [DefaultLimit]. A lift belongs to the account of what it lifts.
func (l *Ledger) Search(ctx context.Context, page ledger.Page) ([]ledger.Located, error) {
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
		if err := l.view(step); err != nil {
			return nil, fmt.Errorf("searching the history: %w", err)
		}
	}
	return s.found, nil
}

// searcher collects a page of history, a chunk for each transaction.
type searcher struct {
	page  ledger.Page
	at    revocation.Ref // everything from here on was looked at
	found []ledger.Located
	done  bool
}

// log looks at the next older entries of the whole log.
func (s *searcher) log(tx *bolt.Tx) error {
	l := newLookup(tx)
	for range chunkEntries {
		e, ok, err := s.older(l)
		if err != nil || !ok {
			s.done = true
			return err
		}
		records, err := e.records()
		if err != nil {
			return err
		}
		if s.entry(l, e.Position, records) {
			s.done = true
			return nil
		}
	}
	return nil
}

// older returns the entry that at stands in, or else the one before it.
func (s *searcher) older(l lookup) (entry, bool, error) {
	if s.at.Item > 0 {
		if e, err := l.entry(s.at.Position); !errors.Is(err, ledger.ErrNotFound) {
			return e, err == nil, err
		}
	}
	return l.before(s.at.Position)
}

// entry looks at the records of an entry that are older than at, and reports
// whether the page is full.
func (s *searcher) entry(l lookup, p revocation.Position, records []revocation.Record) bool {
	end := len(records)
	if p == s.at.Position {
		end = min(end, int(s.at.Item))
	}
	for i := end - 1; i >= 0; i-- {
		s.at = revocation.Ref{Position: p, Item: uint16(i)}
		if s.wanted(l, &records[i]) && s.take(records[i]) {
			return true
		}
	}
	s.at = revocation.Ref{Position: p}
	return false
}

func (s *searcher) take(r revocation.Record) (full bool) {
	s.found = append(s.found, ledger.Located{Ref: s.at, Record: r})
	return len(s.found) >= s.page.Limit
}

func (s *searcher) wanted(l lookup, r *revocation.Record) bool {
	if len(s.page.Types) > 0 && !slices.Contains(s.page.Types, r.Type) {
		return false
	}
	if s.page.Issuer == "" && s.page.Subject == "" {
		return true
	}
	target := r.Target
	if r.Type == revocation.Lift {
		lifted, err := l.record(r.Lifts)
		if err != nil {
			return false
		}
		target = lifted.Target
	}
	return (s.page.Issuer == "" || target.Issuer == s.page.Issuer) &&
		(s.page.Subject == "" || target.Subject == s.page.Subject)
}

// history looks at the next older records of one account.
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
		s.at = refOf(k)
		r, err := l.record(s.at)
		if err != nil {
			return damaged("the history names %s: %w", s.at, err)
		}
		if s.wanted(l, &r) && s.take(r) {
			s.done = true
			return nil
		}
		k, _ = c.Prev()
	}
	return nil
}
