package caddymodule

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
)

// subjects compares the claim that names people in tokens with the claim that names
// them in the records. The node must not judge by another claim: a sign-out of alice
// would not hit her under another name. A file beside the ledger or the replica holds
// the claim of the records. Another claim counts from the next epoch of the ledger on,
// which `caddy curfew adopt` begins.
type subjects struct {
	dir  string
	node *node.Node

	mu     sync.Mutex
	known  local.Subjects
	found  bool              // there was a ledger when this process began
	err    error             // of reading the file
	want   map[string]string // by the configuration
	looked bool              // the file was read
	held   bool
	saved  bool
	failed bool // to be saved, the last time
}

// use takes the claims of a configuration. It is called first before the ledger is
// opened.
func (s *subjects) use(a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.looked {
		s.known, s.found, s.err = local.LoadSubjects(s.dir)
		s.looked = true
	}
	s.want = make(map[string]string, len(a.Issuers))
	for _, i := range a.Issuers {
		s.want[i.URL] = cmp.Or(i.SubjectClaim, "sub")
	}
	s.settle()
}

// epoch is that of the ledger; 0: it is not open.
func (s *subjects) epoch() uint64 {
	l, err := s.node.Log()
	if err != nil {
		return 0
	}
	return l.Head().Position.Epoch
}

// settle holds or releases the node. The caller holds mu.
func (s *subjects) settle() {
	why := s.differs()
	epoch := s.epoch()
	switch {
	case epoch == 0:
	case s.known.Epoch == 0:
		s.known.Epoch, s.saved = epoch, false
	case s.known.Epoch < epoch:
		s.known = local.Subjects{Epoch: epoch, Claims: maps.Clone(s.want)}
		s.saved, s.err, why = false, nil, nil
	}
	if why == nil && s.learn() {
		s.saved = false
	}
	if !s.saved && epoch != 0 && s.err == nil {
		s.saved = s.save()
	}
	if held := why != nil; held != s.held {
		s.held = held
		s.node.Hold(why)
	}
}

func (s *subjects) save() bool {
	err := local.SaveSubjects(s.dir, s.known)
	if err != nil && !s.failed {
		(*observer)(nil).log().Error("the claim that names people in the ledger can't be saved: "+
			"after a restart a change of subject_claim may not be noticed", zap.Error(err))
	}
	s.failed = err != nil
	return !s.failed
}

// differs returns why the configuration can't be used with the records, or nil.
func (s *subjects) differs() error {
	if s.err != nil {
		return fmt.Errorf("the claim by which the records of the ledger name people is not known: "+
			"restore the file, or begin a new epoch with `caddy curfew adopt`: %w", s.err)
	}
	for _, issuer := range slices.Sorted(maps.Keys(s.want)) {
		known, ok := s.known.Claims[issuer]
		if !ok && s.found && s.known.Claims == nil {
			known, ok = "sub", true // written by a node that knew no other
		}
		if want := s.want[issuer]; ok && known != want {
			return fmt.Errorf("subject_claim of %s is %s, and the records of the ledger name people by %s, so they would hit nobody, or somebody else: "+
				"set it back, or begin a new epoch with `caddy curfew adopt`", issuer, want, known)
		}
	}
	return nil
}

// learn notes the claims of issuers that are new, and reports whether there were
// any.
func (s *subjects) learn() bool {
	news := false
	for issuer, claim := range s.want {
		if s.known.Claims[issuer] != claim {
			if s.known.Claims == nil {
				s.known.Claims = make(map[string]string)
			}
			s.known.Claims[issuer], news = claim, true
		}
	}
	return news
}

// run looks whether a new epoch has begun, until ctx ends.
func (s *subjects) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		changes := s.node.Changes()
		s.mu.Lock()
		s.settle()
		if s.saved {
			changes = nil // every entry is one
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-tick.C:
		}
	}
}
