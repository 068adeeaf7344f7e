package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// The unit is one that systemd takes, and its commands are Caddy's.
func TestUnit(t *testing.T) {
	text := read(t, "systemd/curfew.service")
	commands := caddycmd.Commands()
	run := regexp.MustCompile(`(?m)^Exec(?:Start|StartPre|Reload)=/usr/bin/caddy (\S+)(.*)$`).FindAllStringSubmatch(text, -1)
	if len(run) != 3 {
		t.Fatalf("%d commands, want 3", len(run))
	}
	for _, m := range run {
		if _, known := commands[m[1]]; !known {
			t.Errorf("caddy has no command %s", m[1])
		}
	}
	// What its data directory is, here as in docs/cluster.md.
	for _, want := range []string{"StateDirectory=caddy", "XDG_DATA_HOME=/var/lib/caddy", "TimeoutStopSec=", "Restart=always"} {
		if !strings.Contains(text, want) {
			t.Errorf("it has no %s", want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // what could be said without systemd was said
	}
	// As if Caddy were installed.
	unit := filepath.Join(t.TempDir(), "curfew.service")
	write(t, unit, strings.ReplaceAll(text, "/usr/bin/caddy", "/bin/true"))
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The image is built from what is there.
func TestDockerfile(t *testing.T) {
	text := read(t, "container/Dockerfile")
	for _, m := range regexp.MustCompile(`(?m)^COPY (\S+) (\S+) \./$|(\./cmd/\S+)`).FindAllStringSubmatch(text, -1) {
		for _, name := range m[1:] {
			if name == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Error(err)
			}
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if !strings.Contains(text, "FROM golang:"+version[1]+" ") {
		t.Errorf("the image is built with another Go than go.mod's %s", version[1])
	}
}

// Each package sets how often the collector runs, and all alike. docs/performance.md
// has the figures.
func TestPackagesSetTheCollector(t *testing.T) {
	for file, want := range map[string]string{
		"systemd/curfew.service": "Environment=GOGC=400\n", "container/Dockerfile": "ENV GOGC=400\n",
		"kubernetes/statefulset.yaml": "- name: GOGC\n              value: \"400\"\n", "../docs/performance.md": "`GOGC=400`",
	} {
		if !strings.Contains(read(t, file), want) {
			t.Errorf("%s has no %q", file, want)
		}
	}
}
