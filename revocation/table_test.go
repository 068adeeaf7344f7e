package revocation

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"curfew.dev/curfew/internal/seedtest"
)

// put, get and retain, against a map, with keys that share shards and probe
// words.
func TestTableIsAMap(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) Key {
		// 2 and 3 are one probe word, so are 0 and 1; all in two shards.
		return Key{
			rapid.SampledFrom([]uint64{0, 1, 2, 3, 1 << 63, ^uint64(0)}).Draw(t, "first"),
			rapid.Uint64Range(0, 3).Draw(t, "second")<<8 | rapid.Uint64Range(0, 1).Draw(t, "shard"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var table table
		model := make(map[Key][2]uint64)
		same := func(k Key) Key { k[0] |= 1; return k } // the lowest bit tells "free" from "used"
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, a, b := key.Draw(t, "key"), rapid.Uint64Range(1, 9).Draw(t, "a"), rapid.Uint64().Draw(t, "b")
				_, had := model[same(k)]
				if added := table.put(k, a, b); added == had {
					t.Fatalf("added is %v of a key that was there: %v", added, had)
				}
				model[same(k)] = [2]uint64{a, b}
			},
			"retain": func(t *rapid.T) {
				least := rapid.Uint64Range(1, 10).Draw(t, "least")
				want := 0
				for k, v := range model {
					if v[0] < least {
						delete(model, k)
						want++
					}
				}
				if got := table.retain(func(a uint64) bool { return a >= least }); got != want {
					t.Fatalf("%d dropped, want %d", got, want)
				}
			},
			"": func(t *rapid.T) {
				k := key.Draw(t, "key")
				a, b, ok := table.get(k)
				if want, had := model[same(k)]; ok != had || [2]uint64{a, b} != want {
					t.Fatalf("get is %d %d %v, want %v %v", a, b, ok, want, had)
				}
			},
		})
	})
}

func TestTableGrowsWithoutLoss(t *testing.T) {
	var table table
	random := seedtest.New(t)
	keys := make([]Key, 100_000)
	for i := range keys {
		keys[i] = Key{random.Uint64(), random.Uint64()}
		table.put(keys[i], uint64(i+1), uint64(i))
	}
	for i, k := range keys {
		if a, b, ok := table.get(k); !ok || a != uint64(i+1) || b != uint64(i) {
			t.Fatalf("key %d: %d %d %v", i, a, b, ok)
		}
	}
	if _, _, ok := table.get(Key{random.Uint64(), random.Uint64()}); ok {
		t.Error("found what was never put")
	}
	if per := float64(table.bytes()) / float64(len(keys)); per > 47 {
		t.Errorf("%.1f bytes per entry", per)
	}
	if n := table.retain(func(a uint64) bool { return a%10 == 0 }); n != 90_000 {
		t.Errorf("%d dropped", n)
	}
	if per := float64(table.bytes()) / 10_000; per > 80 {
		t.Errorf("%.1f bytes per entry after retain: memory was not returned", per)
	}
}

// Readers run beside the writer through growth and retain. What was put before
// a reader asks is there, and no older than it was then.
func TestReadersMissNothing(t *testing.T) {
	const n, readers = 30_000, 4
	var table table
	random := seedtest.New(t)
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = Key{random.Uint64(), random.Uint64() & 0xf} // 16 shards: many growths each
	}
	var put atomic.Int64 // keys below this index are in the table
	var done sync.WaitGroup
	for r := range readers {
		random := rand.New(rand.NewPCG(random.Uint64(), uint64(r)))
		done.Go(func() {
			for {
				there := put.Load()
				if there == 0 {
					continue
				}
				i := random.Int64N(there)
				a, b, ok := table.get(keys[i])
				if !ok || a < uint64(i+1) || b < uint64(i+1) {
					t.Errorf("key %d of %d: %d %d %v", i, there, a, b, ok)
					return
				}
				if there == n {
					return
				}
			}
		})
	}
	for i, k := range keys {
		table.put(k, uint64(i+1), uint64(i+1))
		put.Store(int64(i + 1))
		if i%100 == 0 {
			table.put(keys[i/2], uint64(n+i), uint64(n+i))
		}
		if i%5000 == 0 {
			table.put(Key{uint64(i), 7}, 0, 0)
			table.retain(func(a uint64) bool { return a != 0 })
		}
	}
	done.Wait()
}

func TestPackHoldsEveryInstantAndReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		through := rapid.Int64Range(0, maxInstant).Draw(t, "through")
		ref := Ref{
			Position{rapid.Uint64Range(0, MaxEpoch).Draw(t, "epoch"), rapid.Uint64().Draw(t, "sequence")},
			rapid.Uint16().Draw(t, "item"),
		}
		if gotThrough, gotRef := unpack(pack(through, ref)); gotThrough != through || gotRef != ref {
			t.Fatalf("%d %s became %d %s", through, ref, gotThrough, gotRef)
		}
	})
}
