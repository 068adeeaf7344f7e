package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// secret is the secret of the admin API, which listens on loopback for the
// length of a run.
const secret = "of-the-benchmark-alone-0123456789"

// gateway is a Caddy process in front of the upstream.
type gateway struct {
	*rig.Process
	settings
	App, API, Ops, Endpoint string // host:port
	ready                   time.Duration
	started                 time.Time
}

// settings are the differences between two gateways.
type settings struct {
	Name             string
	Identity         string   // of the guard; empty: there is none
	Set              []header // by a handler that does nothing else
	Issuer, Upstream string
	Audience, Secret string
	Secrets          []string // of further callers of the admin API: each has a quota of its own
	Ledger           string
	Cache            string
}

// Guarded reports whether the gateway has a guard.
func (s settings) Guarded() bool { return s.Identity != "" }

var caddyfile = template.Must(template.New("Caddyfile").Parse(`{
	admin {{.Endpoint}}
	persist_config off
	auto_https off
	grace_period 1s
	log default {
		level ERROR
	}
{{- if .Guarded}}
	curfew {
		issuer {{.Issuer}} {
			audience {{.Audience}}
			device_claim device_id
			tenant_claim tid
		}
		ledger local {{.Ledger}}
		on_empty start
{{- if .Cache}}
		token_cache {{.Cache}}
{{- end}}
	}
{{- end}}
}
http://{{.App}} {
{{- if .Guarded}}
	curfew {
		identity {{.Identity}}
	}
{{- end}}
{{- if .Set}}
	benchmark_set {
{{- range .Set}}
		{{.Name}} "{{.Value}}"
{{- end}}
	}
{{- end}}
	reverse_proxy {{.Upstream}}
}
{{- if .Guarded}}
http://{{.API}} {
	curfew_admin {
		token benchmark break_glass {{.Secret}}
{{- range $i, $s := .Secrets}}
		token caller-{{$i}} break_glass {{$s}}
{{- end}}
	}
}
http://{{.Ops}} {
	curfew_health
}
{{- end}}
`))

func startGateway(o options, binary, dir string, s settings) (*gateway, error) {
	free, err := rig.FreeAddresses(4)
	if err != nil {
		return nil, err
	}
	g := &gateway{settings: s, App: free[0], API: free[1], Ops: free[2], Endpoint: free[3]}
	var b bytes.Buffer
	if err := caddyfile.Execute(&b, g); err != nil {
		return nil, fmt.Errorf("writing a Caddyfile: %w", err)
	}
	config := filepath.Join(dir, s.Name+".caddyfile")
	if err := os.WriteFile(config, b.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("writing a Caddyfile: %w", err)
	}
	g.started = time.Now()
	g.Process, err = rig.Start(rig.Command{
		Name: s.Name, Path: binary, Args: []string{"run", "--adapter", "caddyfile", "--config", config}, Dir: dir, CPUs: o.core,
		Env: append(rig.Home(filepath.Join(dir, s.Name+"-home")), "GOGC="+o.gogc),
	})
	if err != nil {
		return nil, err
	}
	if err := g.awaitReady(); err != nil {
		g.Stop()
		return nil, err
	}
	g.ready = time.Since(g.started)
	return g, nil
}

func (g *gateway) awaitReady() error {
	if !g.Guarded() {
		return rig.AwaitListener(g.Process, g.App)
	}
	return rig.Await(g.Process, 10*time.Minute, func() error {
		resp, err := http.Get("http://" + g.Ops + "/readyz")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %d", resp.StatusCode)
		}
		return nil
	})
}

// memory holds the figures that the Go runtime of a process reports.
type memory struct {
	TotalAlloc, Mallocs, HeapAlloc, Sys uint64
	LastGC                              uint64  // Unix nanoseconds
	GCCPUFraction                       float64 // of the time from the start to LastGC
}

// gcTime returns the CPU time of garbage collection, up to the end of the last
// one.
func (m memory) gcTime(started time.Time) time.Duration {
	if m.LastGC == 0 {
		return 0
	}
	return time.Duration(m.GCCPUFraction * float64(time.Unix(0, int64(m.LastGC)).Sub(started)))
}

func (g *gateway) memory() (memory, error) {
	var v struct{ Memstats memory }
	resp, err := http.Get("http://" + g.Endpoint + "/debug/vars")
	if err != nil {
		return memory{}, fmt.Errorf("asking %s for its memory: %w", g.Name, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return memory{}, fmt.Errorf("asking %s for its memory: %w", g.Name, err)
	}
	return v.Memstats, nil
}
