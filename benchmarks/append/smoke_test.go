package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Every scenario runs for a moment, which shows that the benchmark still runs.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three NATS servers")
	}
	o := options{
		callers: 8, nodes: 2, servers: 3, chunk: 100, imports: 1, rate: 50,
		length: 200 * time.Millisecond, dir: t.TempDir(), out: t.TempDir(),
	}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(o.out, "append.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Results []result }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 9 {
		t.Errorf("%d results, want four for each ledger and one for several nodes", len(got.Results))
	}
	floods := 0
	for _, r := range got.Results {
		if r.Failed > 0 || r.Rate <= 0 || r.P99 <= 0 || r.P99 > r.Max {
			t.Errorf("%+v", r)
		}
		if r.Flood > 0 {
			floods++
		}
	}
	if floods != 2 {
		t.Errorf("%d floods, want one for each ledger", floods)
	}
	if left, err := filepath.Glob(filepath.Join(o.dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
}
