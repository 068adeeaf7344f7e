package caddymodule

import (
	"sync"

	"go.uber.org/zap"

	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
)

// newestStore keeps the newest verified times in a file of the ledger's
// directory. It logs when saving begins to fail.
type newestStore struct {
	of local.Newest

	mu     sync.Mutex
	failed bool
}

// Load returns the saved times.
func (s *newestStore) Load() map[string]int64 {
	newest, err := s.of.Load()
	if err != nil {
		(*observer)(nil).log().Warn("the newest instants of verified tokens can't be read, and are written anew; "+
			"until then a clock that is behind may not be noticed", zap.Error(err))
	}
	return newest
}

// Save replaces the saved times. It reports whether it succeeded.
func (s *newestStore) Save(newest map[string]int64) bool {
	err := s.of.Save(newest)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !s.failed {
		(*observer)(nil).log().Error("the newest instants of verified tokens can't be saved: "+
			"after a restart a clock that is behind may not be noticed", zap.Error(err))
	}
	s.failed = err != nil
	return !s.failed
}

// Interface guard
var _ node.NewestStore = (*newestStore)(nil)
