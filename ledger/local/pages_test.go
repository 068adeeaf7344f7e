package local

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
)

// sound returns the log of a ledger with every kind of page: branches, leaves,
// overflow and a free list.
func sound(t testing.TB, entries int) []byte {
	t.Helper()
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		r := cut("r")
		if i%10 == 0 {
			r[0].Reason = string(bytes.Repeat([]byte("long "), 2000))
		}
		key := ledger.Idempotency{Key: [32]byte{1, byte(i)}, Expires: time.Now().Add(time.Hour)}
		if _, _, err := l.Append(t.Context(), r, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, fileLog))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkBytes(t testing.TB, path string, b []byte) error {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return checkPages(path)
}

// The pages in use are sound. A check fails if one of them is replaced by another.
func TestCheckPages(t *testing.T) {
	b := sound(t, 100)
	path := filepath.Join(t.TempDir(), "log")
	if err := checkBytes(t, path, b); err != nil {
		t.Fatalf("a sound file: %v", err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, metas, err := newPageChecker(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.trees(metas[0]); err != nil {
		t.Fatal(err)
	}
	size, used := int(c.pageSize), c.seen
	for id := 2; id < int(c.high); id++ {
		// A page without a header of its own is the overflow of the one before.
		header := b[id*size : id*size+pageHeader]
		if used[id/64]&(1<<(id%64)) == 0 || header[0] != byte(id) || header[1] != byte(id>>8) {
			continue
		}
		broken := bytes.Clone(b)
		copy(broken[id*size:(id+1)*size], b[2*size:3*size])
		if id != 2 && checkBytes(t, path, broken) == nil {
			t.Errorf("page %d was replaced by another unnoticed", id)
		}
	}
}

// Checking any file, and searching it for entries to save, ends without a panic.
func FuzzPages(f *testing.F) {
	whole := sound(f, 12)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	for at := 0; at < len(whole) && at < 16*4096; at += 4096 {
		b := bytes.Clone(whole)
		copy(b[at:], bytes.Repeat([]byte{0xFF}, 64))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "log")
		_ = checkBytes(t, path, b)
		_ = findPrefix(path)
	})
}
