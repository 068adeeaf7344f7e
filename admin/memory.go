package admin

import (
	"crypto/rand"
	"sync"

	"curfew.dev/curfew/internal/seal"
)

// Memory is what the API remembers between requests: idempotency keys whose
// first request is still running, what each caller has used of its quotas, and
// the keys of this process. It holds nothing of one caller that another could
// push out. It outlives configuration reloads and may be lost: then searches
// begin again, and without a sealing key so do previews. The zero value is ready.
type Memory struct {
	writes, asks    quota
	imports, asking lanes
	feeds           lanes
	bulk            sync.Mutex // held while a chunk of an import becomes durable

	mu      sync.Mutex
	running map[[32]byte]struct{}
	secret  []byte    // authenticates cursors
	sealing seal.Keys // where there is no sealing key
}

// sealingKeys are drawn once for each process.
func (m *Memory) sealingKeys() seal.Keys {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealing == nil {
		m.sealing = seal.Keys{seal.RandomKey()}
	}
	return m.sealing
}

// begin notes that the first request of a key is running, unless one is.
func (m *Memory) begin(key [32]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, running := m.running[key]; running {
		return false
	}
	if m.running == nil {
		m.running = make(map[[32]byte]struct{})
	}
	m.running[key] = struct{}{}
	return true
}

// end is called once for each begin.
func (m *Memory) end(key [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, key)
}

// cursorKey is drawn once for each process.
func (m *Memory) cursorKey() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secret == nil {
		m.secret = make([]byte, 32)
		// It never fails: the runtime ends the process instead.
		_, _ = rand.Read(m.secret)
	}
	return m.secret
}
