package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without a terminal a line comes now and then, and none for what is quick.
func TestLongWorkTellsHowFarItIs(t *testing.T) {
	var out strings.Builder
	now := time.Unix(1, 0)
	p := progressOn(&out, 3)
	p.now, p.told = func() time.Time { return now }, now
	p.step()
	now = now.Add(tellEvery)
	p.step()
	p.step()
	p.end()
	if out.String() != "2 of 3 done\n" {
		t.Errorf("%q", out.String())
	}
}

func TestLinesOfAnImportAreCountedAndStillRead(t *testing.T) {
	text := "{}\n\n{\"a\":\"" + strings.Repeat("x", 10000) + "\"}\r\n  \n{}"
	path := filepath.Join(t.TempDir(), "import.ndjson")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := lines(f); n != 3 || err != nil {
		t.Errorf("%d lines, %v; want 3", n, err)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != text {
		t.Errorf("%d bytes left, %v", len(b), err)
	}
}
