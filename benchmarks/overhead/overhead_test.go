package main

import (
	"slices"
	"strings"
	"testing"

	"curfew.dev/curfew/benchmarks/rig"
)

func TestShort(t *testing.T) {
	for n, want := range map[int]string{0: "0", 1: "1", 999: "999", 1000: "1k", 1500: "1500", 100_000: "100k", 10_000_000: "10M"} {
		if got := short(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestChosen(t *testing.T) {
	for _, c := range []struct {
		o    options
		want int
	}{
		{options{}, len(scenarios)},
		{options{smoke: true}, len(smokeScenarios)},
		{options{only: "^1 tokens"}, 1},
		{options{only: "nothing"}, 0},
		{options{only: "("}, 0},
	} {
		got, err := c.o.chosen()
		if len(got) != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%+v: got %d, %v", c.o, len(got), err)
		}
	}
}

func TestBadTokensAreOfEachKind(t *testing.T) {
	p, err := rig.NewProvider("127.0.0.1:0", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	good, err := p.Token("alice")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := p.Expired("alice")
	if err != nil {
		t.Fatal(err)
	}
	tokens := bad(good, expired)
	if len(tokens) != len(kinds) {
		t.Errorf("%d tokens of %d kinds", len(tokens), len(kinds))
	}
	for _, kind := range kinds {
		if len(tokens[kind]) == 0 || slices.Contains(tokens[kind], good) || slices.Contains(tokens[kind], "") {
			t.Errorf("%s: no bad token", kind)
		}
	}
}

// The expected figures are computed by hand: 10 of 100 µs are added. Of these,
// 4 µs are for one revocation of 40 µs in every ten requests.
func TestReport(t *testing.T) {
	r := result{
		Scenario: scenario{1, 0, 100}, Writing: 40,
		Bare:    []slice{{CPU: 100, Throughput: 1000}},
		Guarded: []slice{{CPU: 110, Throughput: 1000, Acknowledged: 100}},
		Passing: []slice{{CPU: 103}},
	}
	for name, c := range map[string]struct {
		got  rig.Summary
		want float64
	}{"added": {r.added(), 10}, "share": {r.share(), 10}, "deciding": {r.deciding(), 6}, "passing": {r.passing(), 3}} {
		if c.got.Median != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got.Median, c.want)
		}
	}
	text := table(options{}, rig.Machine{}, []result{r})
	if !strings.Contains(text, "| 10.0 (10.0 to 10.0) |") || !strings.Contains(text, "100/s acknowledged") {
		t.Errorf("the table lacks what was measured:\n%s", text)
	}
}
