package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profiled is the duration of a profile.
const profiled = 5 * time.Second

// profile saves a CPU profile of a gateway under load, for `go tool pprof`.
func (b *bench) profile(g *gateway, s scenario) error {
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return fmt.Errorf("making the directory for profiles: %w", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- b.save(g, s) }()
	long := *b
	long.slice = profiled + time.Second
	if _, err := long.closed(g, s.Revocations); err != nil {
		return err
	}
	return <-taken
}

func (b *bench) save(g *gateway, s scenario) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", g.Endpoint, profiled.Seconds()))
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	defer resp.Body.Close()
	name := strings.NewReplacer(" ", "_", "/", "_", ",", "").Replace(g.Name + "-" + s.String() + ".prof")
	file, err := os.Create(filepath.Join(b.profiles, name))
	if err != nil {
		return fmt.Errorf("saving a profile: %w", err)
	}
	defer file.Close()
	if _, err := io.Copy(file, resp.Body); err != nil {
		return fmt.Errorf("saving a profile: %w", err)
	}
	return file.Close()
}
