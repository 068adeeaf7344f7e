package main

import (
	"strings"
	"testing"

	"curfew.dev/curfew/benchmarks/rig"
)

// A start finds every entry again, and an existing replica is used again.
func TestStart(t *testing.T) {
	const entries = 3000
	dir := t.TempDir()
	r := result{Entries: entries}
	for range 2 {
		if err := fill(dir, entries); err != nil {
			t.Fatal(err)
		}
		s, err := restart(dir)
		if err != nil {
			t.Fatal(err)
		}
		if s.Entries != entries || s.Index == 0 || s.Ready < s.Open {
			t.Errorf("a start: %+v", s)
		}
		r.Warm = append(r.Warm, s)
	}
	if disk, err := diskBytes(dir); err != nil || disk == 0 {
		t.Errorf("%d bytes, %v", disk, err)
	}
	if text := table(rig.Machine{}, []result{r}); !strings.Contains(text, "| 3000 |") {
		t.Errorf("the table:\n%s", text)
	}
}
