package revocation

import (
	"math/bits"
	"sync/atomic"
)

// A table maps keys to cells. Readers take no lock and never wait: every word
// is read atomically, a cell is published by storing its probe word last, and
// growth builds a new array next to the old one and swaps a pointer. There is
// one writer at a time, which the index sees to.
//
// Keys come out of SHA-256, so a word of the key is its own hash. Linear
// probing runs over the probe words alone, eight to a cache line, which keeps
// a miss cheap up to a high load and the memory of an entry near 40 bytes.
type table struct {
	shards [tableShards]atomic.Pointer[cells]
}

const (
	// Sharding bounds how long the writer is busy growing: a table of 10 M
	// entries grows in steps of 40,000.
	tableShards = 256
	minCells    = 8
	// Load at which a shard grows, and by how much, in sixteenths: between
	// 0.70 and 0.85 of the cells are used.
	maxLoad = 13.6
	growth  = 19.4
)

type cells struct {
	probe []uint64 // first word of the key, 0: free
	rest  []cell
	used  int // owned by the writer
}

type cell struct {
	key1 uint64 // second word of the key
	a, b uint64 // the value
}

// split gives the shard and the two words of a key; the first is never zero.
func split(k Key) (shard int, k0, k1 uint64) {
	return int(k[1] & (tableShards - 1)), k[0] | 1, k[1]
}

func (c *cells) find(k0, k1 uint64) (int, bool) {
	probe := c.probe // in registers: an atomic load has them read anew otherwise
	start, _ := bits.Mul64(k0, uint64(len(probe)))
	for i := int(start); ; i++ {
		if i >= len(probe) {
			i = 0
		}
		switch atomic.LoadUint64(&probe[i]) {
		case 0:
			return i, false
		case k0:
			if atomic.LoadUint64(&c.rest[i].key1) == k1 {
				return i, true
			}
		}
	}
}

// get returns the value of a key. It may run concurrently with the writer.
func (t *table) get(k Key) (a, b uint64, ok bool) {
	shard, k0, k1 := split(k)
	c := t.shards[shard].Load()
	if c == nil {
		return 0, 0, false
	}
	i, ok := c.find(k0, k1)
	if !ok {
		return 0, 0, false
	}
	return atomic.LoadUint64(&c.rest[i].a), atomic.LoadUint64(&c.rest[i].b), true
}

// put sets the value of a key and reports whether the key is new. For the
// writer only.
func (t *table) put(k Key, a, b uint64) (added bool) {
	return t.replace(k, a, b, nil)
}

// replace is put, unless the key has a value that is not worse than this one. A
// nil worse replaces any.
func (t *table) replace(k Key, a, b uint64, worse func(oldA, oldB, a, b uint64) bool) (added bool) {
	shard, k0, k1 := split(k)
	c := t.shards[shard].Load()
	if c == nil || float64(c.used+1)*16 > maxLoad*float64(len(c.probe)) {
		c = c.resized(int(float64(c.len())*growth/16)+minCells, nil)
		t.shards[shard].Store(c)
	}
	i, found := c.find(k0, k1)
	at := &c.rest[i]
	if !found {
		// No reader looks at the cell before its probe word is there.
		*at = cell{k1, a, b}
		atomic.StoreUint64(&c.probe[i], k0)
		c.used++
		return true
	}
	if worse == nil || worse(at.a, at.b, a, b) {
		// b before a: a reader that sees the new instant sees its reference too.
		atomic.StoreUint64(&at.b, b)
		atomic.StoreUint64(&at.a, a)
	}
	return false
}

func (c *cells) len() int {
	if c == nil {
		return 0
	}
	return len(c.probe)
}

// resized copies the cells that keep wants (nil: all) into n new ones. The
// receiver may be nil.
func (c *cells) resized(n int, keep func(a uint64) bool) *cells {
	next := &cells{probe: make([]uint64, n), rest: make([]cell, n)}
	for i := range c.len() {
		k0, old := c.probe[i], c.rest[i]
		if k0 == 0 || keep != nil && !keep(old.a) {
			continue
		}
		j, _ := next.find(k0, old.key1)
		next.probe[j], next.rest[j] = k0, old
		next.used++
	}
	return next
}

// retain drops the cells whose value keep refuses and returns how many went.
// For the writer only.
func (t *table) retain(keep func(a uint64) bool) (dropped int) {
	for s := range t.shards {
		c := t.shards[s].Load()
		if c == nil {
			continue
		}
		gone := 0
		for i, k0 := range c.probe {
			if k0 != 0 && !keep(c.rest[i].a) {
				gone++
			}
		}
		if gone == 0 {
			continue
		}
		left := c.used - gone
		t.shards[s].Store(c.resized(int(float64(left)*growth/maxLoad)+minCells, keep))
		dropped += gone
	}
	return dropped
}

// bytes is the memory that the cells take.
func (t *table) bytes() int {
	n := 0
	for s := range t.shards {
		n += t.shards[s].Load().len()
	}
	return n * 32
}
