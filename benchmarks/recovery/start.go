package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

// start holds the figures of one start.
type start struct {
	Open  time.Duration `json:"open_ns"`  // until the files are open and their pages checked
	Ready time.Duration `json:"ready_ns"` // until the index is complete, since the beginning of opening
	// CPU is the user and system time of the process at that point.
	CPU     time.Duration `json:"cpu_ns"`
	Entries int64         `json:"entries"`
	Heap    int64         `json:"heap_bytes"` // what is alive then
	Index   int64         `json:"index_bytes"`
	Peak    int64         `json:"peak_bytes"` // of resident memory, files that are mapped included
}

// startAsChild starts on a replica and writes the figures to stdout.
func startAsChild(dir, profiles string) error {
	stop, err := rig.Profile(profiles, fmt.Sprint("recovery-", os.Getpid()))
	if err != nil {
		return err
	}
	s, err := restart(dir)
	stop()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func restart(dir string) (s start, err error) {
	began := time.Now()
	r, err := local.OpenReplica(local.Options{Dir: dir})
	if err != nil {
		return s, err
	}
	defer r.Close()
	s.Open = time.Since(began)
	var x revocation.Index
	err = r.Read(context.Background(), revocation.Position{}, func(e revocation.Entry) error {
		x.Apply(e)
		s.Entries++
		return nil
	})
	s.Ready = time.Since(began)
	if err != nil {
		return s, err
	}
	s.CPU, s.Peak = usage()
	s.Index, s.Heap = x.Bytes(), alive()
	if got, want := x.Entries(revocation.KindSubject), s.Entries-1; got != want {
		return s, fmt.Errorf("the index knows %d users, want %d", got, want)
	}
	return s, nil
}

func alive() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// startChild starts on a replica in a process of its own. For a cold start, the
// page cache holds nothing of the files.
func startChild(o options, dir string, cold bool) (s start, err error) {
	if cold {
		if err := forget(dir); err != nil {
			return s, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.Command(self, "-start", dir, "-profile", o.profiles)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		return s, fmt.Errorf("starting on %s: %w", dir, err)
	}
	return s, nil
}

// forget removes the files from the page cache of the system. The command dd
// can request this when it copies nothing, and needs no rights for it.
func forget(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		out, ddErr := exec.Command("dd", "if="+file, "iflag=nocache", "count=0").CombinedOutput()
		if ddErr != nil {
			return fmt.Errorf("dropping %s from the page cache: %w: %s", file, ddErr, strings.TrimSpace(string(out)))
		}
	}
	return err
}
