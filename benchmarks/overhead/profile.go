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
	go func() { taken <- b.save(g, s.String()) }()
	long := *b
	long.slice = profiled + time.Second
	if _, err := long.closed(g, s.Revocations); err != nil {
		return err
	}
	return <-taken
}

func (o options) save(g *gateway, name string) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", g.Endpoint, profiled.Seconds()))
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	defer resp.Body.Close()
	file := strings.NewReplacer(" ", "_", "/", "_", ",", "").Replace(g.Name + "-" + name + ".prof")
	to, err := os.Create(filepath.Join(o.profiles, file))
	if err != nil {
		return fmt.Errorf("saving a profile: %w", err)
	}
	defer to.Close()
	if _, err := io.Copy(to, resp.Body); err != nil {
		return fmt.Errorf("saving a profile: %w", err)
	}
	return to.Close()
}
