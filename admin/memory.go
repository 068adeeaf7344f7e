package admin

import (
	"sync"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/internal/seal"
)

// Memory is what the API remembers between requests: idempotency keys whose
// first request is still running, what each caller has used of its quotas, and a
// sealing key of this process. No caller can push out what is held of another. It
// outlives configuration reloads and may be lost: without a configured sealing
// key, previews are lost with it. The zero value is ready.
type Memory struct {
	writes, asks           httpapi.Quota
	imports, asking, feeds httpapi.Slots
	bulk                   sync.Mutex // held while a chunk of an import becomes durable

	mu      sync.Mutex
	running map[[32]byte]struct{}
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
