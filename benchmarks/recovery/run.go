package main

import (
	"fmt"
	"os"
	"path/filepath"

	"curfew.dev/curfew/benchmarks/rig"
)

// result holds the figures of one replica.
type result struct {
	Entries int     `json:"entries"`
	Disk    int64   `json:"disk_bytes"`
	Load    string  `json:"load"` // average of the machine, before the starts
	Warm    []start `json:"warm"` // the files were in the page cache
	Cold    []start `json:"cold"`
}

func run(o options) error {
	machine := rig.ThisMachine()
	parent := o.dir
	if parent == "" {
		var err error
		if parent, err = os.MkdirTemp("", "curfew-recovery-"); err != nil {
			return fmt.Errorf("making a directory for the replicas: %w", err)
		}
		defer os.RemoveAll(parent)
	}
	var results []result
	for _, n := range o.entries {
		r, err := measure(o, filepath.Join(parent, fmt.Sprint("replica-", n)), n)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	beside := ""
	if o.newcomer > 0 {
		var err error
		if beside, err = newcomer(o, filepath.Join(parent, "cluster")); err != nil {
			return err
		}
	}
	return report(o, machine, results, beside)
}

func measure(o options, dir string, n int) (r result, err error) {
	if err := fill(dir, n); err != nil {
		return r, err
	}
	r = result{Entries: n, Load: rig.LoadAverage()}
	if r.Disk, err = diskBytes(dir); err != nil {
		return r, err
	}
	if _, err := startChild(o, dir, false); err != nil { // which warms the page cache up
		return r, err
	}
	for range o.starts {
		s, err := startChild(o, dir, false)
		if err != nil {
			return r, err
		}
		r.Warm = append(r.Warm, s)
	}
	for range o.starts {
		s, err := startChild(o, dir, true)
		if err != nil {
			return r, err
		}
		r.Cold = append(r.Cold, s)
	}
	return r, nil
}
