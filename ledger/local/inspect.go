package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Problem is a fault of a ledger.
type Problem struct {
	// Code is one of the Problem constants.
	Code   string `json:"code"`
	Detail string `json:"detail"`
	// Mend says what an operator can do.
	Mend string `json:"mend"`
}

// The codes of problems.
const (
	ProblemLocked      = "locked"
	ProblemDirectory   = "directory_unreadable"
	ProblemEmpty       = "empty"
	ProblemInterrupted = "interrupted"
	ProblemPosition    = "position_unreadable"
	ProblemLog         = "log_damaged"
	ProblemBehind      = "log_behind_position"
	ProblemWitness     = "witness_unreadable"
	ProblemOlder       = "log_behind_witness"
	ProblemNewest      = "newest_unreadable"
	ProblemDocuments   = "documents_damaged"
)

// mends has the mend of each code.
var mends = map[string]string{
	ProblemLocked:      "it is in use: ask the running gateway, or stop it first",
	ProblemDirectory:   "create it, or let this user read it",
	ProblemEmpty:       "a first start begins a ledger by on_empty; if there was one, restore the volume, or run `caddy curfew init`",
	ProblemInterrupted: "nothing: the next start settles it",
	ProblemPosition:    "upgrade where a newer Curfew wrote it; else restore the file, or run `caddy curfew adopt`: it signs everybody out and goes on with what can be verified",
	ProblemLog:         "upgrade where a newer Curfew wrote it; else restore the newest copy, or run `caddy curfew adopt`: it signs everybody out and goes on with what can be verified",
	ProblemBehind:      "find the newer ledger.db, or run `caddy curfew adopt`: it signs everybody out and goes on with what is there",
	ProblemWitness:     "check the witness file and its permissions; remove it where it is damaged and the ledger is the right one",
	ProblemNewest:      "nothing: it is written anew. Until then a clock that is behind may not be noticed, so see that it is right",
	ProblemDocuments:   "restore a copy of documents.db while the gateway is stopped, or do nothing: it is set aside, and a new one begins. No sign-out or block is in it",
	ProblemOlder:       "bring back the ledger that this machine had, or run `caddy curfew adopt`: it signs everybody out and goes on with what is there",
}

// Report is the state of a ledger.
type Report struct {
	Dir      string    `json:"dir"`
	Problems []Problem `json:"problems"`
	// Epoch and Sequence are the head of the position file, or of the log if that
	// is further.
	Epoch    uint64 `json:"epoch"`
	Sequence uint64 `json:"sequence"`
	// Entries and Records are the numbers of verified ones.
	Entries uint64 `json:"entries"`
	Records uint64 `json:"records"`
	// Bytes has the size of each file of the ledger, including old ones.
	Bytes map[string]int64 `json:"bytes"`
}

func newReport(dir string) Report {
	return Report{Dir: dir, Problems: []Problem{}, Bytes: sizes(dir)}
}

func (r *Report) problem(code string, err error) {
	r.Problems = append(r.Problems, Problem{code, err.Error(), mends[code]})
}

func (r *Report) reached(p revocation.Position) {
	if p.Compare(revocation.Position{Epoch: r.Epoch, Sequence: r.Sequence}) > 0 {
		r.Epoch, r.Sequence = p.Epoch, p.Sequence
	}
}

// Inspect reads and verifies all of the ledger in dir, and changes nothing. It
// checks the ledger against the witness, unless witness is empty. It also checks it
// against the trace in the witness's directory, which has the newest head of the
// same ledger in any directory.
func Inspect(dir, witness string) Report {
	lock, err := lockDir(dir)
	if err == nil {
		defer lock.Close()
		return inspect(dir, witness)
	}
	r := newReport(dir)
	if errors.Is(err, ledger.ErrLocked) {
		r.problem(ProblemLocked, err)
	} else {
		r.problem(ProblemDirectory, err)
	}
	return r
}

func inspect(dir, witness string) Report {
	r := newReport(dir)
	if found, _ := exists(filepath.Join(dir, fileLog+staged)); found {
		r.problem(ProblemInterrupted, errors.New("a log was being installed"))
	}
	seen, err := readWitness(witness)
	if err != nil {
		r.problem(ProblemWitness, err)
	}
	if err := checkDocuments(dir); err != nil {
		r.problem(ProblemDocuments, err)
	}
	if empty, err := isEmpty(dir); empty && err == nil {
		r.problem(ProblemEmpty, errors.New("there is no ledger"))
		return r
	}
	position, err := readPosition(filepath.Join(dir, filePosition))
	if err != nil {
		r.problem(ProblemPosition, err)
	}
	r.reached(position.Position)
	if _, err := NewestOf(dir, witness).Load(); err != nil {
		r.problem(ProblemNewest, err)
	}
	r.log(filepath.Join(dir, fileLog), position, seen, witness)
	return r
}

func (r *Report) log(path string, position, seen ledger.Head, witness string) {
	s, err := openStore(path, true)
	if err != nil {
		r.problem(ProblemLog, err)
		r.prefix(path)
		return
	}
	defer s.close()
	head, err := s.head()
	if err == nil {
		r.reached(head.Position)
		err = r.read(s, head.Position)
	}
	if err != nil {
		r.problem(ProblemLog, err)
		return
	}
	if position != (ledger.Head{}) {
		if err := s.contains(position, "its position file"); err != nil {
			r.problem(ProblemBehind, err)
		}
	}
	if err := s.acceptable(seen); err != nil {
		r.problem(ProblemOlder, err)
		return
	}
	r.trace(s, witness)
}

// trace checks the log against the newest head that this machine has seen of the
// same ledger in any directory.
func (r *Report) trace(s *store, witness string) {
	id, err := s.identity()
	if err != nil {
		return // the replica is empty
	}
	seen, err := readWitness(tracePath(witness, id))
	if err != nil {
		r.problem(ProblemWitness, err)
	}
	if err := s.acceptable(seen); err != nil {
		r.problem(ProblemOlder, err)
	}
}

// read verifies every entry.
func (r *Report) read(s *store, until revocation.Position) error {
	in := reader{until: until}
	for in.last.Position != until {
		if err := s.view(in.chunk); err != nil {
			return err
		}
		for _, e := range in.entries {
			r.count(e.Records)
		}
	}
	return nil
}

func (r *Report) count(records []revocation.Record) {
	r.Entries++
	r.Records += uint64(len(records))
}

// prefix counts the entries that can be verified in a log that can't be opened.
func (r *Report) prefix(path string) {
	p := findPrefix(path)
	if p.meta < 0 {
		return
	}
	_, _ = p.each(func(_ entry, records []revocation.Record) error {
		r.count(records)
		return nil
	})
}

// sizes lists the files of a ledger.
func sizes(dir string) map[string]int64 {
	bytes := map[string]int64{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		ours := strings.HasPrefix(e.Name(), fileLog) || strings.HasPrefix(e.Name(), filePosition) ||
			strings.HasPrefix(e.Name(), fileNewest) || strings.HasPrefix(e.Name(), fileSubjects) || strings.HasPrefix(e.Name(), fileDocuments)
		if info, err := e.Info(); ours && err == nil {
			bytes[e.Name()] = info.Size()
		}
	}
	return bytes
}

// String returns the report as a few lines for people.
func (r Report) String() string {
	s := fmt.Sprintf("%s: position %d.%d, %d entries with %d records verified\n", r.Dir, r.Epoch, r.Sequence, r.Entries, r.Records)
	for _, p := range r.Problems {
		s += fmt.Sprintf("%s: %s\n  mend: %s\n", p.Code, p.Detail, p.Mend)
	}
	return s
}
