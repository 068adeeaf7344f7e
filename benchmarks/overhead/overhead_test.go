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
		Scenario: scenario{1, 0, 100}, Writing: map[string]float64{"all": 40}, Gateways: []string{base, "all", "set-12"}, Dropped: 2,
		Rounds: []map[string]slice{{
			base:     {CPU: 100, Throughput: 1000},
			"all":    {CPU: 110, Throughput: 1000, Acknowledged: 100},
			"set-12": {CPU: 103},
		}},
	}
	for name, c := range map[string]struct {
		got  rig.Summary
		want float64
	}{"added": {r.added("all"), 10}, "share": {r.share("all"), 10}, "deciding": {r.deciding("all"), 6}, "setting": {r.added("set-12"), 3}} {
		if diff := c.got.Median - c.want; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%s: got %v, want %v", name, c.got.Median, c.want)
		}
	}
	text := table(options{}, rig.Machine{}, []result{r})
	for _, want := range []string{"| 10.0 (10.0 to 10.0) |", "100/s acknowledged", "1 rounds, and 2 dropped"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
}

func TestARoundIsAsGoodAsItsWorstSlice(t *testing.T) {
	if got := least(map[string]slice{base: {Utilisation: 0.95}, "all": {Utilisation: 0.4}}); got != 0.4 {
		t.Errorf("got %v", got)
	}
}

// A guard is compared with a handler that sets as many headers, and a Caddy
// without curfew is compared as it is.
func TestContestants(t *testing.T) {
	for identities, want := range map[string]string{
		"": "base given", "all,minimal": "base given all set-12 minimal set-3", "none": "base given none", "some": "",
	} {
		contestants, err := options{identities: identities}.contestants(binaries{given: "/caddy"})
		var names []string
		for _, c := range contestants {
			names = append(names, c.name)
		}
		if got := strings.Join(names, " "); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %s, %v", identities, got, err)
		}
	}
}
