package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"curfew.dev/curfew/node"
)

// AuditLog is where lines for log shipping go.
type AuditLog struct {
	// A file, or `stdout`. Placeholders such as `{env.AUDIT}` work.
	To string `json:"to"`

	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`
}

// parseAuditLog reads
//
//	audit_log <file>|stdout
func (a *App) parseAuditLog(d *caddyfile.Dispenser) error {
	a.AuditLog = &AuditLog{Place: placeOf(d)}
	return word(&a.AuditLog.To)(d)
}

// mostAudited is how many lines may wait for a slow file. A sign-out never waits
// for one.
const mostAudited = 1 << 12

// auditor writes lines to audit_log, one after another. The ledger remains the
// record of what happened: what can't be written here is counted and told.
type auditor struct {
	lines   chan []byte
	dropped atomic.Uint64
}

// audited is one line: a receipt without the state of its enforcement, which
// changes.
type audited struct {
	Node string `json:"node"`
	node.Receipt
	Enforcement *struct{} `json:"enforcement,omitempty"`
}

// note queues a line, or drops it where too many wait.
func (a *auditor) note(by string, r node.Receipt) {
	line, err := json.Marshal(audited{Node: by, Receipt: r})
	if err != nil {
		a.dropped.Add(1)
		return
	}
	select {
	case a.lines <- append(line, '\n'):
	default:
		a.dropped.Add(1)
	}
}

// run writes what is queued until ctx ends, and then what is left.
func (a *auditor) run(ctx context.Context, target func() string) {
	for {
		select {
		case line := <-a.lines:
			a.write(target(), line)
		case <-ctx.Done():
			for {
				select {
				case line := <-a.lines:
					a.write(target(), line)
				default:
					return
				}
			}
		}
	}
}

// write opens the file for each line, so that a rotation needs no signal.
func (a *auditor) write(target string, line []byte) {
	err := appendLine(target, line)
	if err != nil {
		a.dropped.Add(1)
	}
	if n := a.dropped.Swap(0); n > 0 {
		caddy.Log().Named("curfew").Error("lines are missing in audit_log; the ledger has them: read them by GET /v1/revocations",
			zap.Uint64("lines", n), zap.Error(err))
	}
}

func appendLine(target string, line []byte) error {
	switch target {
	case "":
		return nil // a reload has switched it off
	case stdout:
		_, err := os.Stdout.Write(line)
		return err
	}
	f, err := os.OpenFile(target, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

// stdout is the name of the standard output in audit_log.
const stdout = "stdout"

// auditsTo is where the configuration in force sends lines; empty: nowhere.
func (g *gateway) auditsTo() string {
	if a := g.app.Load(); a != nil {
		return a.auditTo
	}
	return ""
}

// target returns the path, and refuses one that can't be written. It makes no file.
func (l *AuditLog) target() (string, error) {
	if l == nil {
		return "", nil
	}
	path, err := resolveAuditLog(l.To)
	return path, l.Place.name(err)
}

func resolveAuditLog(configured string) (string, error) {
	switch configured {
	case stdout:
		return stdout, nil
	case "":
		return "", errors.New("audit_log: the file is empty: name one, or write `audit_log stdout`")
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("audit_log: %w", err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("audit_log: %s is not a regular file: name one, or write `audit_log stdout`", path)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return "", fmt.Errorf("audit_log: there is no directory %s: create it, owned by the user Caddy runs as", filepath.Dir(path))
	}
	return path, nil
}
