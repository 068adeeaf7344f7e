package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// This runs a small fleet. It shows that the benchmark still runs, and that the
// events which it measures have happened.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three NATS servers")
	}
	o := options{nodes: 3, writers: 2, servers: 3, rates: []float64{100}, length: 500 * time.Millisecond, out: t.TempDir(), dir: t.TempDir()}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(o.out, "propagation.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Results []result }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 1 {
		t.Fatalf("%d results, want one", len(got.Results))
	}
	switch r := got.Results[0]; {
	case r.Sent == 0 || r.Failed > 0:
		t.Errorf("of %d revocations %d failed: %s", r.Sent, r.Failed, r.Failure)
	case r.Everywhere.Max < r.Each.P50 || r.Receipt.P50 < r.Everywhere.P50 || r.Ended.P50 <= 0 || r.Submit.P50 <= 0:
		t.Errorf("a receipt can't be complete before all nodes enforce: %+v", r)
	}
	if left, err := filepath.Glob(filepath.Join(o.dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
}
