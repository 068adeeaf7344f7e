package main

import (
	"fmt"
	"regexp"
)

// scenario is one combination of the figures on which the cost may depend.
type scenario struct {
	Tokens      int     `json:"tokens"`      // distinct ones
	Entries     int     `json:"entries"`     // of the index, when the load begins
	Revocations float64 `json:"revocations"` // arriving per second
}

func (s scenario) String() string {
	return fmt.Sprintf("%s tokens, %s entries, %g revocations/s", short(s.Tokens), short(s.Entries), s.Revocations)
}

// short writes 1,000,000 as 1M.
func short(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprint(n)
}

// scenarios are ordered by their entries, because the gateways are started once
// for each number of entries.
var scenarios = []scenario{
	{1, 0, 0},
	{1000, 0, 0},
	{100_000, 0, 0},
	{1000, 0, 100},
	{1000, 0, 1000},
	{1000, 1_000_000, 0},
	{1000, 1_000_000, 1000},
	{1000, 10_000_000, 0},
	{1000, 10_000_000, 100},
	{1000, 10_000_000, 1000},
}

var smokeScenarios = []scenario{{1, 0, 0}, {100, 1000, 50}}

// chosen returns the scenarios that the flags select.
func (o options) chosen() ([]scenario, error) {
	all := scenarios
	if o.smoke {
		all = smokeScenarios
	}
	wanted, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var some []scenario
	for _, s := range all {
		if wanted.MatchString(s.String()) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("-only %s selects no scenario", o.only)
	}
	return some, nil
}
