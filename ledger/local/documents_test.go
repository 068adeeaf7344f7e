package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/ledgertest"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

func TestDocuments(t *testing.T) {
	ledgertest.RunDocuments(t, func(t *testing.T, dir string) ledger.Ledger {
		l, err := local.Open(local.Options{Dir: dir, Skew: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}

var alice = ledger.KeyOf("https://login.example.com", "alice")

// openDocuments opens a ledger with its documents.
func openDocuments(t *testing.T, o local.Options) (*local.Ledger, ledger.Documents) {
	t.Helper()
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d, err := l.Documents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l, d
}

func storeDocument(t *testing.T, d ledger.Documents, key ledger.Key, value string, expected uint64) uint64 {
	t.Helper()
	revision, err := d.Store(t.Context(), ledger.Accounts, key, []byte(value), expected)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// begunWithDocuments creates a ledger with a record and a document. It returns its
// head and the path of the documents.
func begunWithDocuments(t *testing.T, dir string) (ledger.Head, string) {
	t.Helper()
	l, d := openDocuments(t, local.Options{Dir: dir})
	path := filepath.Join(dir, "documents.db")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before the first use: %v", err)
	}
	storeDocument(t, d, alice, "seen", 0)
	if _, _, err := l.Append(t.Context(), []revocation.Record{{Type: revocation.Block, Target: revocation.Target{Issuer: "https://login.example.com", Subject: "alice"}}}, ledger.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	head := l.Head()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return head, path
}

func TestDocumentsAreForTheirOwnerOnly(t *testing.T) {
	_, path := begunWithDocuments(t, t.TempDir())
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the documents has mode %v, %v", info.Mode(), err)
	}
}

// spoiled has ways to make a file of documents unreadable.
var spoiled = map[string]func(t *testing.T, path string){
	"emptied":   func(t *testing.T, path string) { write(t, path, nil) },
	"cut":       func(t *testing.T, path string) { write(t, path, contents(t, path)[:5000]) },
	"not bbolt": func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("documents"), 1000)) },
	"a page of zeros": func(t *testing.T, path string) {
		content := contents(t, path)
		clear(content[2*os.Getpagesize():])
		write(t, path, content)
	},
	"a bucket is missing": func(t *testing.T, path string) {
		editFile(t, path, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("sessions")) })
	},
	"a directory": func(t *testing.T, path string) {
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
	},
}

func editFile(t *testing.T, path string, edit func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDocumentsThatCannotBeReadAreSetAsideAndTheLogIsNotAffected(t *testing.T) {
	for name, spoil := range spoiled {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			head, path := begunWithDocuments(t, dir)
			spoil(t, path)
			var lines bytes.Buffer
			l, d := openDocuments(t, local.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&lines, nil))})
			if l.Head() != head || l.Err() != nil {
				t.Errorf("the log ends at %v, %v, was %v", l.Head(), l.Err(), head)
			}
			if _, err := d.Load(t.Context(), ledger.Accounts, alice); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("loading from the new file: %v", err)
			}
			storeDocument(t, d, alice, "seen again", 0)
			if got := strings.Count(lines.String(), "level=ERROR"); got != 1 || !strings.Contains(lines.String(), "the ledger is not affected") {
				t.Errorf("%d lines: %s", got, &lines)
			}
			kept, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(kept) != 1 {
				t.Errorf("set aside: %v, %v", kept, err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if r := local.Inspect(dir, ""); len(r.Problems) != 0 {
				t.Errorf("doctor finds %v", r.Problems)
			}
		})
	}
}

func TestDoctorTellsOfDamagedDocumentsAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	_, path := begunWithDocuments(t, dir)
	if r := local.Inspect(dir, ""); len(r.Problems) != 0 || r.Bytes["documents.db"] == 0 {
		t.Errorf("doctor finds %v, and sizes %v", r.Problems, r.Bytes)
	}
	spoiled["cut"](t, path)
	before := contents(t, path)
	r := local.Inspect(dir, "")
	if len(r.Problems) != 1 || r.Problems[0].Code != local.ProblemDocuments || r.Problems[0].Mend == "" {
		t.Errorf("doctor finds %v", r.Problems)
	}
	if r.Records != 2 {
		t.Errorf("doctor verified %d records of the log", r.Records)
	}
	if !bytes.Equal(before, contents(t, path)) {
		t.Error("doctor has changed the file")
	}
}

func TestDocumentsOfANewerVersionStayAndAreNotAvailable(t *testing.T) {
	dir := t.TempDir()
	_, path := begunWithDocuments(t, dir)
	editFile(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("about")).Put([]byte("format"), []byte{2}) })
	l, d := openDocuments(t, local.Options{Dir: dir})
	if _, err := d.Load(t.Context(), ledger.Accounts, alice); !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("loading: %v", err)
	}
	if l.Err() != nil {
		t.Error(l.Err())
	}
	if kept, _ := filepath.Glob(path + ".damaged-*"); len(kept) != 0 {
		t.Errorf("set aside: %v", kept)
	}
}

func TestAdoptLeavesTheDocumentsAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	begunWithDocuments(t, dir)
	write(t, filepath.Join(dir, "position"), []byte("damaged"))
	if _, err := local.Adopt(local.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	_, d := openDocuments(t, local.Options{Dir: dir})
	if found, err := d.Load(t.Context(), ledger.Accounts, alice); err != nil || string(found.Value) != "seen" {
		t.Errorf("loaded %q, %v", found.Value, err)
	}
}

func TestDocumentsOutliveALogThatIsLost(t *testing.T) {
	dir := t.TempDir()
	begunWithDocuments(t, dir)
	for _, name := range []string{"ledger.db", "position"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l, d := openDocuments(t, local.Options{Dir: dir})
	if got := l.Head().Position.Sequence; got != 1 {
		t.Errorf("the new log ends at %d", got)
	}
	if found, err := d.Load(t.Context(), ledger.Accounts, alice); err != nil || string(found.Value) != "seen" {
		t.Errorf("loaded %q, %v", found.Value, err)
	}
}

// The new file must not assign a revision of the lost file again. A caller with the
// old revision would overwrite a document that it has not read.
func TestARevisionOfALostFileIsNoRevisionOfTheNew(t *testing.T) {
	dir := t.TempDir()
	at := time.UnixMilli(1_760_000_000_000)
	open := func() (*local.Ledger, ledger.Documents) {
		at = at.Add(time.Second)
		return openDocuments(t, local.Options{Dir: dir, Now: func() time.Time { return at }})
	}
	l, d := open()
	old := storeDocument(t, d, alice, "one", 0)
	older := contents(t, filepath.Join(dir, "documents.db"))
	lost := storeDocument(t, d, alice, "two", old)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "documents.db"), older)
	_, d = open()
	storeDocument(t, d, alice, "three", old)
	if _, err := d.Store(t.Context(), ledger.Accounts, alice, []byte("lost"), lost); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("storing over the lost revision %d: %v", lost, err)
	}
}

func TestDocumentsTakeNoMoreThanTheirShare(t *testing.T) {
	_, d := openDocuments(t, local.Options{Dir: t.TempDir(), DocumentBytes: 100_000})
	large := strings.Repeat("x", 30_000)
	var revisions []uint64
	for i := range 3 {
		revisions = append(revisions, storeDocument(t, d, alice.Below(fmt.Sprint(i)), large, 0))
	}
	full := func(what string, key ledger.Key, value string, expected uint64) {
		t.Helper()
		if _, err := d.Store(t.Context(), ledger.Accounts, key, []byte(value), expected); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	full("one more", alice, large, 0)
	full("one that grows", alice.Below("0"), large+large, revisions[0])
	if _, err := d.Store(t.Context(), ledger.Sessions, alice, []byte(large), 0); err != nil {
		t.Errorf("another collection: %v", err)
	}
	revisions[0] = storeDocument(t, d, alice.Below("0"), "less", revisions[0])
	storeDocument(t, d, alice, large[:20_000], 0)
	full("one more", alice.Below("3"), large, 0)
	if err := d.Delete(t.Context(), ledger.Accounts, alice.Below("1"), revisions[1]); err != nil {
		t.Fatal(err)
	}
	storeDocument(t, d, alice.Below("3"), large, 0)
}

func TestTheOldestItemsOfAllListsGoFirstWhereSpaceEnds(t *testing.T) {
	_, d := openDocuments(t, local.Options{Dir: t.TempDir(), DocumentBytes: 20_000})
	bob := ledger.KeyOf("bob")
	item := bytes.Repeat([]byte("x"), 1000)
	for i := range 20 {
		key := alice
		if i >= 3 {
			key = bob
		}
		if err := d.Append(t.Context(), key, append(item, byte(i))); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.Newest(t.Context(), alice, 0, 100); err != nil || len(got) != 0 {
		t.Errorf("%d of the oldest are left, %v", len(got), err)
	}
	got, err := d.Newest(t.Context(), bob, 0, 100)
	if err != nil || len(got) < 12 || got[0].Value[1000] != 19 {
		t.Errorf("%d of the newest are left, %v", len(got), err)
	}
}

func TestItemsGoByAge(t *testing.T) {
	now := time.UnixMilli(1_760_000_000_000)
	_, d := openDocuments(t, local.Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	add := func(key ledger.Key, item string) {
		t.Helper()
		if err := d.Append(t.Context(), key, []byte(item)); err != nil {
			t.Fatal(err)
		}
	}
	items := func(key ledger.Key) (all []string) {
		t.Helper()
		found, err := d.Newest(t.Context(), key, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range found {
			all = append(all, string(item.Value))
		}
		return all
	}
	add(alice, "old")
	now = now.Add(24 * time.Hour)
	add(alice, "younger")
	now = now.Add(ledger.MaxItemAge - time.Hour)
	if got := items(alice); !slices.Equal(got, []string{"younger"}) {
		t.Errorf("after %s there are %q", ledger.MaxItemAge, got)
	}
	add(ledger.KeyOf("bob"), "another's") // an append removes expired items
	now = now.Add(-24 * time.Hour)
	if got := items(alice); !slices.Equal(got, []string{"younger"}) {
		t.Errorf("what was removed is there again: %q", got)
	}
}
