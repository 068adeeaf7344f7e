package admin

import (
	"crypto/rand"
	"sync"
	"time"
)

// previewAge is how long a preview confirms a write.
const previewAge = 5 * time.Minute

// maxPreviews bounds what callers can make a gateway remember.
const maxPreviews = 10_000

// Memory is what the API remembers between requests: previews, idempotency keys
// whose first request is still running, what each caller has used of its quota,
// and the key that authenticates cursors. It outlives configuration reloads and
// may be lost: then previews are made again and searches begin again. The zero
// value is ready.
type Memory struct {
	writes  quota
	imports lanes
	bulk    sync.Mutex // held while a chunk of an import becomes durable

	mu       sync.Mutex
	previews map[string]preview
	order    []string // of the previews, oldest first
	running  map[[32]byte]struct{}
	secret   []byte
}

// preview is what a caller was shown.
type preview struct {
	digest   [32]byte // of what it was shown for
	accounts int
	expires  time.Time
}

// keep remembers a preview and forgets those that are over.
func (m *Memory) keep(id string, p preview, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.previews == nil {
		m.previews = make(map[string]preview)
	}
	for len(m.order) > 0 && (len(m.order) >= maxPreviews || now.After(m.previews[m.order[0]].expires)) {
		delete(m.previews, m.order[0])
		m.order = m.order[1:]
	}
	m.previews[id] = p
	m.order = append(m.order, id)
}

// shown finds a preview that is not over.
func (m *Memory) shown(id string, now time.Time) (preview, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.previews[id]
	return p, ok && !now.After(p.expires)
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
