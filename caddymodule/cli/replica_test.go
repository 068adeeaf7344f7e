package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A marker that no gateway acts on does not stay: it would adopt something long
// after the operator has forgotten it.
func TestMarkersDoNotStay(t *testing.T) {
	for name, within := range map[string]time.Duration{"nobody acts": time.Hour, "interrupted": time.Second} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			began := time.Now()
			err := replica{dir}.tell(ctx, "adopt")
			if err == nil || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took != min(within, actWithin) {
				t.Errorf("%s: it took %s", name, took)
			}
		})
		if _, err := os.Stat(filepath.Join(dir, "adopt")); !os.IsNotExist(err) {
			t.Errorf("%s: the marker stays: %v", name, err)
		}
	}
}

func TestAMarkerThatIsActedOn(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		go func() {
			time.Sleep(4 * time.Second)
			if err := os.Remove(filepath.Join(dir, "init")); err != nil {
				t.Error(err)
			}
		}()
		if err := (replica{dir}).tell(t.Context(), "init"); err != nil {
			t.Error(err)
		}
	})
}
