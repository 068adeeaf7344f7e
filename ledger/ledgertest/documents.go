package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// RunDocuments tests the documents of a kind of ledger. The ledger must be a
// [ledger.DocumentKeeper].
func RunDocuments(t *testing.T, open func(t *testing.T, dir string) ledger.Ledger) {
	for name, test := range map[string]func(*testing.T, Open){
		"store, load and delete":              testDocument,
		"conflicts":                           testConflicts,
		"a hundred increments at once":        testIncrements,
		"durable over reopening":              testDocumentsReopen,
		"listing below a key":                 testListBelow,
		"listing ends with the error":         testListError,
		"writing while listing":               testWriteWithinList,
		"the largest document and item":       testSizes,
		"malformed keys":                      testMalformedKeys,
		"a list, newest first, in pages":      testPages,
		"a list keeps the newest":             testBound,
		"many append to a list":               testAppendConcurrent,
		"a list that is forgotten":            testForget,
		"documents: contexts that have ended": testDocumentsContext,
		"documents: closing":                  testDocumentsClose,
		"documents: many at once":             testDocumentsConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// patience is the time limit of an answer on a busy machine.
const patience = time.Minute

func documentsOf(t *testing.T, l ledger.Ledger) ledger.Documents {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := l.(ledger.DocumentKeeper).Documents(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func beginDocuments(t *testing.T, open Open) ledger.Documents {
	t.Helper()
	return documentsOf(t, begin(t, open))
}

// alice returns a key that no other test uses.
func alice(t *testing.T) ledger.Key { return ledger.KeyOf(t.Name(), "alice") }

func mustStore(t *testing.T, d ledger.Documents, c ledger.Collection, key ledger.Key, value string, expected uint64) uint64 {
	t.Helper()
	revision, err := d.Store(t.Context(), c, key, []byte(value), expected)
	if err != nil {
		t.Fatalf("storing %q over revision %d: %v", value, expected, err)
	}
	if revision == 0 || revision == expected {
		t.Fatalf("storing over revision %d led to revision %d", expected, revision)
	}
	return revision
}

func wantDocument(t *testing.T, d ledger.Documents, c ledger.Collection, key ledger.Key, value string, revision uint64) {
	t.Helper()
	got, err := d.Load(t.Context(), c, key)
	if err != nil || string(got.Value) != value || got.Revision != revision || got.Key != key {
		t.Fatalf("loaded %q at %d of %s, %v; want %q at %d of %s", got.Value, got.Revision, got.Key, err, value, revision, key)
	}
}

func wantNone(t *testing.T, d ledger.Documents, c ledger.Collection, key ledger.Key) {
	t.Helper()
	if got, err := d.Load(t.Context(), c, key); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("loaded %q, %v; want none", got.Value, err)
	}
}

func testDocument(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	seen := make(map[uint64]bool)
	for _, c := range ledger.Collections {
		wantNone(t, d, c, key)
	}
	for _, c := range ledger.Collections {
		revision := mustStore(t, d, c, key, "one "+c.String(), 0)
		wantDocument(t, d, c, key, "one "+c.String(), revision)
		revision = mustStore(t, d, c, key, "", revision)
		wantDocument(t, d, c, key, "", revision)
		if err := d.Delete(t.Context(), c, key, revision); err != nil {
			t.Fatal(err)
		}
		wantNone(t, d, c, key)
		again := mustStore(t, d, c, key, "again", 0)
		if again == revision || seen[again] {
			t.Errorf("a document that was stored again has revision %d as before", again)
		}
		wantDocument(t, d, c, key, "again", again)
	}
}

func testConflicts(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	conflicts := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ledger.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", what, err)
		}
	}
	store := func(expected uint64) error {
		_, err := d.Store(t.Context(), ledger.Accounts, key, []byte("lost"), expected)
		return err
	}
	conflicts("storing over what does not exist", store(7))
	conflicts("deleting what does not exist", d.Delete(t.Context(), ledger.Accounts, key, 7))
	conflicts("deleting nothing", d.Delete(t.Context(), ledger.Accounts, key, 0))
	first := mustStore(t, d, ledger.Accounts, key, "first", 0)
	conflicts("storing what exists anew", store(0))
	second := mustStore(t, d, ledger.Accounts, key, "second", first)
	conflicts("storing over the last but one", store(first))
	conflicts("storing over what is to come", store(second+1))
	conflicts("deleting the last but one", d.Delete(t.Context(), ledger.Accounts, key, first))
	conflicts("deleting without a revision", d.Delete(t.Context(), ledger.Accounts, key, 0))
	wantDocument(t, d, ledger.Accounts, key, "second", second)
	if err := d.Delete(t.Context(), ledger.Accounts, key, second); err != nil {
		t.Fatal(err)
	}
	conflicts("storing over what was deleted", store(second))
	conflicts("deleting twice", d.Delete(t.Context(), ledger.Accounts, key, second))
	wantNone(t, d, ledger.Accounts, key)
}

// change loads a document, changes it, and tries again after a conflict. After an
// unknown outcome, done tells from the document whether it was changed.
func change(t *testing.T, d ledger.Documents, key ledger.Key, edit func([]byte) []byte, done func([]byte) bool) error {
	for {
		found, err := d.Load(t.Context(), ledger.Accounts, key)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			if errors.Is(err, ledger.ErrUnavailable) && t.Context().Err() == nil {
				continue
			}
			return err
		}
		if done(found.Value) {
			return nil
		}
		_, err = d.Store(t.Context(), ledger.Accounts, key, edit(slices.Clone(found.Value)), found.Revision)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ledger.ErrConflict), errors.Is(err, ledger.ErrOutcomeUnknown), errors.Is(err, ledger.ErrUnavailable):
			if t.Context().Err() != nil {
				return err
			}
		default:
			return err
		}
	}
}

func testIncrements(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			err := change(t, d, key,
				func(v []byte) []byte { return append(v, byte(i)) },
				func(v []byte) bool { return bytes.IndexByte(v, byte(i)) >= 0 })
			if err != nil {
				t.Errorf("increment %d: %v", i, err)
			}
		})
	}
	all.Wait()
	found, err := d.Load(t.Context(), ledger.Accounts, key)
	if err != nil || len(found.Value) != 100 {
		t.Fatalf("after 100 increments there are %d: %v, %v", len(found.Value), found.Value, err)
	}
}

func testDocumentsReopen(t *testing.T, open Open) {
	dir := t.TempDir()
	l := open(t, dir)
	d := documentsOf(t, l)
	key := alice(t)
	revision := mustStore(t, d, ledger.Sessions, key, "kept", mustStore(t, d, ledger.Sessions, key, "old", 0))
	deleted := mustStore(t, d, ledger.Accounts, key, "deleted", 0)
	if err := d.Delete(t.Context(), ledger.Accounts, key, deleted); err != nil {
		t.Fatal(err)
	}
	mustAppendItems(t, d, key, "a", "b", "c")
	before := newest(t, d, key, 0, 10)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d = documentsOf(t, openIn(t, open, dir))
	wantDocument(t, d, ledger.Sessions, key, "kept", revision)
	wantNone(t, d, ledger.Accounts, key)
	if after := newest(t, d, key, 0, 10); !slices.EqualFunc(before, after, sameItem) {
		t.Errorf("the list was %v, and is %v", before, after)
	}
	mustStore(t, d, ledger.Sessions, key, "newer", revision)
	mustAppendItems(t, d, key, "d")
	wantItems(t, newest(t, d, key, 0, 10), "d", "c", "b", "a")
}

func sameItem(a, b ledger.Item) bool {
	return a.Sequence == b.Sequence && bytes.Equal(a.Value, b.Value)
}

func listed(t *testing.T, d ledger.Documents, c ledger.Collection, below ledger.Key) (all []ledger.Document) {
	t.Helper()
	err := d.List(t.Context(), c, below, func(found ledger.Document) error {
		all = append(all, found)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func testListBelow(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key, other := alice(t), ledger.KeyOf(t.Name(), "bob")
	mustStore(t, d, ledger.Sessions, key, "the key itself", 0)
	mustStore(t, d, ledger.Sessions, other.Below("0"), "another's", 0)
	mustStore(t, d, ledger.Accounts, key.Below("0"), "in another collection", 0)
	want := map[ledger.Key]string{}
	for i := range 150 {
		child := key.Below(fmt.Sprint(i))
		if i%10 == 0 {
			child = child.Below("deeper")
		}
		want[child] = fmt.Sprint(i)
		revision := mustStore(t, d, ledger.Sessions, child, want[child], 0)
		if i%7 == 0 {
			delete(want, child)
			if err := d.Delete(t.Context(), ledger.Sessions, child, revision); err != nil {
				t.Fatal(err)
			}
		}
	}
	found := listed(t, d, ledger.Sessions, key)
	for i, document := range found {
		if want[document.Key] != string(document.Value) {
			t.Errorf("%s is %q, want %q", document.Key, document.Value, want[document.Key])
		}
		if i > 0 && document.Key <= found[i-1].Key {
			t.Errorf("%s comes after %s", document.Key, found[i-1].Key)
		}
		wantDocument(t, d, ledger.Sessions, document.Key, string(document.Value), document.Revision)
	}
	if len(found) != len(want) {
		t.Errorf("listed %d documents, want %d", len(found), len(want))
	}
	if got := listed(t, d, ledger.Sessions, ledger.KeyOf(t.Name(), "nobody")); len(got) != 0 {
		t.Errorf("below nobody there are %v", got)
	}
	if got := len(listed(t, d, ledger.Sessions, "")); got < len(want)+2 {
		t.Errorf("there are %d documents in all, want %d at least", got, len(want)+2)
	}
}

func testListError(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	for i := range 3 {
		mustStore(t, d, ledger.Accounts, alice(t).Below(fmt.Sprint(i)), "", 0)
	}
	enough, calls := errors.New("enough"), 0
	err := d.List(t.Context(), ledger.Accounts, alice(t), func(ledger.Document) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func testWriteWithinList(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	large := strings.Repeat("x", ledger.MaxDocument)
	for i := range 3 {
		mustStore(t, d, ledger.Accounts, alice(t).Below(fmt.Sprint(i)), "small", 0)
	}
	err := d.List(t.Context(), ledger.Accounts, alice(t), func(found ledger.Document) error {
		for i := range 50 { // enough to make the file grow
			mustStore(t, d, ledger.Sessions, found.Key.Below(fmt.Sprint(i)), large, 0)
		}
		return d.Delete(t.Context(), ledger.Accounts, found.Key, found.Revision)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(t, d, ledger.Accounts, alice(t)); len(got) != 0 {
		t.Errorf("%d are left", len(got))
	}
}

func testSizes(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	largest := strings.Repeat("x", ledger.MaxDocument)
	revision := mustStore(t, d, ledger.Accounts, alice(t), largest, 0)
	if _, err := d.Store(t.Context(), ledger.Accounts, alice(t), []byte(largest+"x"), revision); !errors.Is(err, ledger.ErrTooLarge) {
		t.Errorf("a document that is too large: %v", err)
	}
	wantDocument(t, d, ledger.Accounts, alice(t), largest, revision)
	mustAppendItems(t, d, alice(t), largest[:ledger.MaxItem])
	if err := d.Append(t.Context(), alice(t), []byte(largest[:ledger.MaxItem+1])); !errors.Is(err, ledger.ErrTooLarge) {
		t.Errorf("an item that is too large: %v", err)
	}
	wantItems(t, newest(t, d, alice(t), 0, 10), largest[:ledger.MaxItem])
}

func testMalformedKeys(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	for _, bad := range []ledger.Key{
		"", "alice", key + ".", "." + key, key[1:], key + "0", ledger.Key(strings.ToUpper(string(key))), key + ".*", key + ".>",
		key + "." + key + "." + key + "." + key + "." + key, "../" + key, key + " ", key + "\x00",
	} {
		_, loading := d.Load(t.Context(), ledger.Accounts, bad)
		_, storing := d.Store(t.Context(), ledger.Accounts, bad, nil, 0)
		_, reading := d.Newest(t.Context(), bad, 0, 1)
		listing := d.List(t.Context(), ledger.Accounts, bad, func(ledger.Document) error { return nil })
		if bad == "" {
			listing = ledger.ErrKey // an empty prefix lists all documents
		}
		for what, err := range map[string]error{
			"loading": loading, "storing": storing, "reading": reading, "listing": listing,
			"deleting":   d.Delete(t.Context(), ledger.Accounts, bad, 1),
			"appending":  d.Append(t.Context(), bad, nil),
			"forgetting": d.Forget(t.Context(), bad),
		} {
			if !errors.Is(err, ledger.ErrKey) {
				t.Errorf("%s %q: %v", what, bad, err)
			}
		}
	}
}

func mustAppendItems(t *testing.T, d ledger.Documents, key ledger.Key, items ...string) {
	t.Helper()
	for _, item := range items {
		if err := d.Append(t.Context(), key, []byte(item)); err != nil {
			t.Fatalf("appending %q: %v", item, err)
		}
	}
}

func newest(t *testing.T, d ledger.Documents, key ledger.Key, before uint64, limit int) []ledger.Item {
	t.Helper()
	items, err := d.Newest(t.Context(), key, before, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(items) > limit {
		t.Fatalf("%d items, want %d at most", len(items), limit)
	}
	return items
}

func wantItems(t *testing.T, items []ledger.Item, want ...string) {
	t.Helper()
	var got []string
	for _, item := range items {
		got = append(got, string(item.Value))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("items %q, want %q", got, want)
	}
}

// inPages reads a list in pages.
func inPages(t *testing.T, d ledger.Documents, key ledger.Key, size int) (all []ledger.Item) {
	t.Helper()
	var before uint64
	for {
		page := newest(t, d, key, before, size)
		for _, item := range page {
			if before != 0 && item.Sequence >= before {
				t.Fatalf("item %d comes after %d", item.Sequence, before)
			}
			before = item.Sequence
		}
		if all = append(all, page...); len(page) < size {
			return all
		}
	}
}

func testPages(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key, other := alice(t), ledger.KeyOf(t.Name(), "bob")
	wantItems(t, newest(t, d, key, 0, 10))
	var want []string
	for i := range 25 {
		mustAppendItems(t, d, key, fmt.Sprint(i))
		mustAppendItems(t, d, other, "another's")
		mustAppendItems(t, d, key.Below("x"), "below")
		want = append(want, fmt.Sprint(i))
	}
	slices.Reverse(want)
	for _, size := range []int{1, 7, 25, 100} {
		wantItems(t, inPages(t, d, key, size), want...)
	}
	wantItems(t, newest(t, d, key, 1, 10))
	wantItems(t, newest(t, d, key, 0, 0))
}

func testBound(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	var want []string
	for i := range ledger.MaxItems + 5 {
		mustAppendItems(t, d, key, fmt.Sprint(i))
		want = append(want, fmt.Sprint(i))
	}
	want = want[len(want)-ledger.MaxItems:]
	slices.Reverse(want)
	wantItems(t, newest(t, d, key, 0, 2*ledger.MaxItems), want...)
}

func testAppendConcurrent(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	const writers, each = 8, 12
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := d.Append(t.Context(), key, fmt.Appendf(nil, "%d %d", w, i)); err != nil {
					t.Errorf("appending: %v", err)
				}
			}
		})
	}
	stop := make(chan struct{})
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for {
			select {
			case <-stop:
				return
			default:
				inOrder(t, inPages(t, d, key, 5))
			}
		}
	}()
	all.Wait()
	close(stop)
	<-reading
	items := inPages(t, d, key, 5)
	inOrder(t, items)
	if len(items) != writers*each {
		t.Errorf("%d items, want %d", len(items), writers*each)
	}
}

// inOrder checks that the items of each writer come newest first, each once,
// without a gap.
func inOrder(t *testing.T, items []ledger.Item) {
	last := make(map[int]int)
	for _, item := range items {
		var writer, number int
		if _, err := fmt.Sscan(string(item.Value), &writer, &number); err != nil {
			t.Errorf("%q: %v", item.Value, err)
			return
		}
		if before, is := last[writer]; is && number != before-1 {
			t.Errorf("of writer %d, %d comes after %d", writer, number, before)
			return
		}
		last[writer] = number
	}
}

func testForget(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key, other := alice(t), ledger.KeyOf(t.Name(), "bob")
	forget := func() {
		t.Helper()
		if err := d.Forget(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		wantItems(t, newest(t, d, key, 0, 10))
	}
	forget()
	mustAppendItems(t, d, key, "a", "b")
	mustAppendItems(t, d, other, "kept")
	mustAppendItems(t, d, key.Below("x"), "kept below")
	forget()
	forget()
	mustAppendItems(t, d, key, "c", "d")
	wantItems(t, newest(t, d, key, 0, 10), "d", "c")
	wantItems(t, newest(t, d, other, 0, 10), "kept")
	wantItems(t, newest(t, d, key.Below("x"), 0, 10), "kept below")
}

// everyMethod calls every method.
func everyMethod(ctx context.Context, d ledger.Documents, key ledger.Key) map[string]error {
	_, loading := d.Load(ctx, ledger.Accounts, key)
	_, storing := d.Store(ctx, ledger.Accounts, key, nil, 0)
	_, reading := d.Newest(ctx, key, 0, 1)
	return map[string]error{
		"loading": loading, "storing": storing, "reading": reading,
		"listing":    d.List(ctx, ledger.Accounts, key, func(ledger.Document) error { return nil }),
		"deleting":   d.Delete(ctx, ledger.Accounts, key, 1),
		"appending":  d.Append(ctx, key, nil),
		"forgetting": d.Forget(ctx, key),
	}
}

func testDocumentsContext(t *testing.T, open Open) {
	d := beginDocuments(t, open)
	key := alice(t)
	ended, end := context.WithCancel(t.Context())
	end()
	for what, err := range everyMethod(ended, d, key) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", what, err)
		}
	}
	wantNone(t, d, ledger.Accounts, key)
	wantItems(t, newest(t, d, key, 0, 10))
}

func testDocumentsClose(t *testing.T, open Open) {
	l := open(t, t.TempDir())
	d := documentsOf(t, l)
	mustStore(t, d, ledger.Accounts, alice(t), "kept", 0)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for what, err := range everyMethod(t.Context(), d, alice(t)) {
			if !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%s after closing: %v", what, err)
			}
		}
	}
}

// testDocumentsConcurrent calls every method during appends to the log, until the
// ledger is closed.
func testDocumentsConcurrent(t *testing.T, open Open) {
	l := open(t, t.TempDir())
	d := documentsOf(t, l)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var all sync.WaitGroup
	for i := range 4 {
		key := alice(t).Below(fmt.Sprint(i))
		for what, do := range map[string]func() error{
			"storing": func() error {
				found, err := d.Load(ctx, ledger.Accounts, key)
				if err != nil && !errors.Is(err, ledger.ErrNotFound) {
					return err
				}
				revision, err := d.Store(ctx, ledger.Accounts, key, []byte("x"), found.Revision)
				if err != nil || i%2 == 0 {
					return err
				}
				return d.Delete(ctx, ledger.Accounts, key, revision)
			},
			"listing": func() error {
				return d.List(ctx, ledger.Accounts, alice(t), func(ledger.Document) error { return nil })
			},
			"appending":  func() error { return d.Append(ctx, key, []byte("x")) },
			"reading":    func() error { _, err := d.Newest(ctx, key, 0, 10); return err },
			"forgetting": func() error { return d.Forget(ctx, key) },
			"signing out": func() error {
				_, _, err := l.Append(ctx, []revocation.Record{cut(issuer, "alice", "beside")}, ledger.Idempotency{})
				return err
			},
		} {
			all.Go(func() {
				for ctx.Err() == nil {
					if err := do(); err != nil && !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrOutcomeUnknown) && ctx.Err() == nil {
						t.Errorf("%s: %v", what, err)
						return
					}
				}
			})
		}
	}
	time.Sleep(time.Second / 2) // close during the calls
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	stop()
	all.Wait()
	if err := l.Err(); err != nil {
		t.Error(err)
	}
}
