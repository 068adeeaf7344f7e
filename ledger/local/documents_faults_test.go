package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"curfew.dev/curfew/ledger"
)

func beginDocuments(t *testing.T) (*Ledger, *documents, ledger.Key) {
	t.Helper()
	l, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	key := ledger.KeyOf("alice")
	if _, err := l.documents.Store(t.Context(), ledger.Accounts, key, []byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	return l, l.documents, key
}

// After a write with an unknown outcome the file is reopened, and its contents
// count.
func TestDocumentsAreOpenedAgainAfterAWriteThatFailed(t *testing.T) {
	_, d, key := beginDocuments(t)
	found, err := d.Load(t.Context(), ledger.Accounts, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.store.file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Store(t.Context(), ledger.Accounts, key, []byte("newer"), found.Revision); !errors.Is(err, ledger.ErrOutcomeUnknown) {
		t.Fatalf("storing: %v", err)
	}
	again, err := d.Load(t.Context(), ledger.Accounts, key)
	if err != nil || string(again.Value) != "kept" || again.Revision != found.Revision {
		t.Errorf("loaded %q at %d, %v", again.Value, again.Revision, err)
	}
	if _, err := d.Store(t.Context(), ledger.Accounts, key, []byte("newest"), again.Revision); err != nil {
		t.Error(err)
	}
}

// A file that is damaged while it is open is set aside. The log is not affected.
func TestDocumentsThatAreDamagedWhileTheyAreOpenAreSetAside(t *testing.T) {
	for name, use := range map[string]func(*documents, ledger.Key) error{
		"by a reader": func(d *documents, key ledger.Key) error {
			_, err := d.Load(t.Context(), ledger.Accounts, key)
			return err
		},
		"by a writer": func(d *documents, key ledger.Key) error {
			_, err := d.Store(t.Context(), ledger.Accounts, key.Below("x"), nil, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, d, key := beginDocuments(t)
			file, err := os.OpenFile(d.path(), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			info, err := file.Stat()
			if err == nil {
				page := int64(os.Getpagesize())
				_, err = file.WriteAt(make([]byte, info.Size()-2*page), 2*page)
			}
			if err := errors.Join(err, file.Close()); err != nil {
				t.Fatal(err)
			}
			if err := use(d, key); !errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrIntegrity) {
				t.Fatalf("using it: %v", err)
			}
			if _, err := d.Load(t.Context(), ledger.Accounts, key); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("loading from the new file: %v", err)
			}
			if _, err := d.Store(t.Context(), ledger.Accounts, key, []byte("again"), 0); err != nil {
				t.Error(err)
			}
			if kept, err := filepath.Glob(d.path() + ".damaged-*"); err != nil || len(kept) != 1 {
				t.Errorf("set aside: %v, %v", kept, err)
			}
			if err := l.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}
