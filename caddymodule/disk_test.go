package caddymodule

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheSizeOfALedgerIsThatOfItsFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "aside"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"ledger.db": 4096, "aside/ledger.db": 100} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := diskUsage(dir); err != nil || got != 4196 {
		t.Errorf("%d bytes, %v; want 4196", got, err)
	}
	if _, err := diskUsage(filepath.Join(dir, "gone")); err == nil {
		t.Error("a directory that is not there has a size")
	}
}
