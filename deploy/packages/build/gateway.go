package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// commitTime is SOURCE_DATE_EPOCH, else the time of the commit, else the beginning
// of 1980, which every archive format can hold. The clock is never asked.
func (j *job) commitTime() (time.Time, error) {
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: give seconds since 1970", epoch)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	cmd := exec.Command("git", "log", "-1", "--format=%ct")
	cmd.Dir = j.root
	if out, err := cmd.Output(); err == nil {
		if seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64); err == nil {
			return time.Unix(seconds, 0).UTC(), nil
		}
	}
	return time.Unix(315532800, 0).UTC(), nil
}

// gateway builds the static binary into a directory, the same bytes wherever the
// repository lies. What has changed since the commit is part of it.
func (j *job) gateway(dir string) (string, error) {
	binary := filepath.Join(dir, "caddy")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", binary, "./cmd/caddy")
	cmd.Dir = j.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+j.arch, "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return binary, nil
}

// temporary runs with a directory that goes away.
func temporary(with func(dir string) error) error {
	dir, err := os.MkdirTemp("", "curfew-packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return with(dir)
}
