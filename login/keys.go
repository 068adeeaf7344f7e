package login

import (
	"sync/atomic"
	"time"

	"curfew.dev/curfew/internal/seal"
)

// keyring is the sealing keys as they were a moment ago: to read them may cost a
// lock and a look at a file, which no request should wait for.
type keyring struct {
	read func() seal.Keys
	keys atomic.Pointer[seal.Keys]
	next atomic.Int64 // when to read again, Unix nanoseconds
}

const keysEvery = time.Second

func (k *keyring) at(now time.Time) seal.Keys {
	at, known, next := now.UnixNano(), k.keys.Load(), k.next.Load()
	// A clock that was set back by more must not keep old keys.
	if known != nil && at < next && next-at <= int64(keysEvery) {
		return *known
	}
	if !k.next.CompareAndSwap(next, at+int64(keysEvery)) && known != nil {
		return *known // another request reads them
	}
	keys := k.read()
	if len(keys) == 0 {
		k.next.Store(0) // there will be one soon
		return keys
	}
	k.keys.Store(&keys)
	return keys
}
