package token

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// refreshMin and refreshMax bound the time between fetches that nothing
	// asked for. A key that the issuer removed is refused after at most this.
	refreshMin = 3 * time.Minute
	refreshMax = 4 * time.Minute
	// retryKeyed is the pause after a failed fetch while there are keys.
	retryKeyed = 15 * time.Second
	// retryMin and retryMax bound the pause while there are none.
	retryMin = 100 * time.Millisecond
	retryMax = 10 * time.Second
	// minInterval is how long after a fetch tokens can't cause another one.
	minInterval = 10 * time.Second
	// refreshFile is how soon a file that has changed is noticed, and retryFile
	// the pause after it could not be read.
	refreshFile = time.Second
	retryFile   = 5 * time.Second
	// maxWait is how long a request waits for a fetch.
	maxWait = 10 * time.Second
	// maxWaiting bounds the requests that wait for a fetch; the rest are
	// judged by the keys there are.
	maxWaiting = 1024
)

// Observer hears what a [KeySet] does. Its methods are called from request
// goroutines and must not block.
type Observer interface {
	// Fetched reports the end of a fetch; err is nil if it went well.
	Fetched(result FetchResult, err error)
	// Unused reports the keys that are not used though they are published. It is
	// called when they become others, none included.
	Unused(keys []UnusedKey)
	// UnknownKey reports a token whose kid the issuer does not publish.
	UnknownKey()
}

// KeySetOptions are the parts of a [KeySet] that can be replaced. The zero
// value is for production.
type KeySetOptions struct {
	Transport http.RoundTripper // nil: TLS 1.2 or newer, no proxy
	Observer  Observer          // nil: none
	Source    KeySource
	Documents []WellKnown    // of the issuer, in the order in which they are looked for; nil: those of a provider
	Roots     *x509.CertPool // nil: those of the system
}

// KeySet is the public keys of one issuer, kept fresh by [KeySet.Run]. It
// outlives configurations: settings that may change on a reload belong to the
// [Verifier].
//
// A fetch that fails, or finds nothing usable, changes nothing: the last good
// keys stay. A token that the known keys can't verify may cause a fetch, but
// only one, which all waiting requests share, and none within 10 s after another
// ended, whatever clients send. That holds for a bad signature under a known kid as
// well: providers do replace keys under the same kid, and a client that wants
// to cause a fetch can send an unknown kid anyway.
type KeySet struct {
	issuer   string
	fetcher  *fetcher
	observer Observer
	ring     atomic.Pointer[keyring]
	success  atomic.Int64          // of the last good fetch, Unix nanoseconds; 0: none
	failure  atomic.Pointer[error] // of the last fetch; nil: it went well, or there was none
	wanted   chan struct{}

	mu       sync.Mutex
	running  bool
	stopped  bool
	finished time.Time
	round    chan struct{} // closed when the fetch that runs, or the next one, has ended
	waiting  int
}

// NewKeySet returns a key set without keys. Nothing is fetched before Run.
func NewKeySet(issuer string, o KeySetOptions) *KeySet {
	s := &KeySet{
		issuer:   issuer,
		fetcher:  newFetcher(issuer, o),
		observer: o.Observer,
		wanted:   make(chan struct{}, 1),
		round:    make(chan struct{}),
	}
	if s.observer == nil {
		s.observer = deaf{}
	}
	s.ring.Store(new(keyring))
	return s
}

// Issuer is the issuer of these keys.
func (s *KeySet) Issuer() string { return s.issuer }

// LastSuccess is when keys were last fetched; the zero time if never.
func (s *KeySet) LastSuccess() time.Time {
	at := s.success.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// Ready reports whether there are keys that were fetched within maxStale
// before now.
func (s *KeySet) Ready(now time.Time, maxStale time.Duration) bool {
	at := s.success.Load()
	return at > 0 && now.UnixNano()-at <= int64(maxStale)
}

// Err says why the last fetch failed; nil if it did not, or there was none yet.
func (s *KeySet) Err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Run fetches keys at once and keeps them fresh until ctx ends; after that no
// key is trusted any more. Call it once.
func (s *KeySet) Run(ctx context.Context) {
	defer s.stop()
	for failures := 0; ; failures++ {
		if s.fetch(ctx) == nil {
			failures = -1
		}
		if !s.pause(ctx, s.delay(failures)) {
			return
		}
	}
}

func (s *KeySet) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	close(s.round)
	s.success.Store(0)
	s.ring.Store(s.ring.Load().renew(new(keyring), time.Now()))
	s.fetcher.client.CloseIdleConnections()
}

// delay is the time until the next fetch, after so many failures in a row.
func (s *KeySet) delay(failures int) time.Duration {
	switch file := s.fetcher.source.IsFile(); {
	case file && failures < 0:
		return refreshFile
	case file:
		return retryFile
	case failures < 0:
		return between(refreshMin, refreshMax)
	case s.success.Load() > 0:
		return between(retryKeyed, 2*retryKeyed)
	}
	pause := min(retryMin<<min(failures, 10), retryMax)
	return between(pause/2, pause)
}

func between(low, high time.Duration) time.Duration { return low + rand.N(high-low) }

// pause waits until a fetch is due or wanted.
func (s *KeySet) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-s.wanted:
	}
	return true
}

func (s *KeySet) fetch(ctx context.Context) error {
	s.begin()
	defer s.end()
	ring, err := s.fetcher.fetch(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // shut down: not the provider's failure
	}
	if err == nil {
		s.take(ring)
	} else {
		s.failure.Store(&err)
	}
	s.observer.Fetched(resultOf(err), err)
	return err
}

func (s *KeySet) take(ring *keyring) {
	before, at := s.ring.Load(), time.Now()
	s.ring.Store(before.renew(ring, at))
	s.success.Store(at.UnixNano())
	s.failure.Store(nil)
	if !slices.Equal(before.unused, ring.unused) {
		s.observer.Unused(ring.unused)
	}
}

func (s *KeySet) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = true
	select {
	case <-s.wanted: // this fetch is the one that is wanted
	default:
	}
}

func (s *KeySet) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.finished = false, time.Now()
	close(s.round)
	s.round = make(chan struct{})
}

// SetFetchTimeout bounds each fetch from the next one on; 0 means 5 s.
func (s *KeySet) SetFetchTimeout(d time.Duration) { s.fetcher.client.SetTimeout(d) }

// Await waits until the first fetch has ended, however it went.
func (s *KeySet) Await(ctx context.Context) {
	s.mu.Lock()
	round, over := s.round, s.stopped || !s.finished.IsZero()
	s.mu.Unlock()
	if over {
		return
	}
	select {
	case <-round:
	case <-ctx.Done():
	}
}

// refresh waits for the fetch that is running, or causes one. It returns false
// at once if a fetch was spent in the last 10 s, and false if ctx ends first;
// the fetch then goes on for the others.
func (s *KeySet) refresh(ctx context.Context) bool {
	round, ok := s.join()
	if !ok {
		return false
	}
	defer s.leave()
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case <-round:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *KeySet) join() (<-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.waiting >= maxWaiting || !s.running && time.Since(s.finished) < minInterval {
		return nil, false
	}
	s.waiting++
	if !s.running {
		select {
		case s.wanted <- struct{}{}:
		default: // asked for already
		}
	}
	return s.round, true
}

func (s *KeySet) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

// deaf is an Observer that hears nothing.
type deaf struct{}

func (deaf) Fetched(FetchResult, error) {}
func (deaf) Unused([]UnusedKey)         {}
func (deaf) UnknownKey()                {}
