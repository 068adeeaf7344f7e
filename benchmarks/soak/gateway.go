package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

const caddyfile = `{
	admin ENDPOINT
	persist_config off
	auto_https off
	grace_period 2s
	log {
		level WARN
	}
	curfew {
		issuer ISSUER {
			audience AUDIENCE
		}
		ledger local LEDGER
		on_empty start
	}
}
http://APP {
	curfew
	respond ok
}
http://OPS {
	metrics /metrics
	curfew_health
	@api path /v1/*
	curfew_admin @api {
		token soak write SECRET
	}
}
`

// secret is that of the admin API, which listens on loopback.
const secret = "secret-of-the-soak-on-loopback"

// gateway is a Caddy process that is started again and again.
type gateway struct {
	dir, binary        string
	app, ops, endpoint string
	provider           *rig.Provider
	process            *rig.Process
	client             *http.Client
}

func newGateway(dir string) (*gateway, error) {
	addresses, err := rig.FreeAddresses(4)
	if err != nil {
		return nil, err
	}
	g := &gateway{
		dir: dir, binary: filepath.Join(dir, "gateway"), app: addresses[0], ops: addresses[1], endpoint: addresses[2],
		client: &http.Client{Timeout: 10 * time.Second},
	}
	if out, err := exec.Command("go", "build", "-o", g.binary, "./cmd/caddy").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the gateway: %w: run this from the root of the repository\n%s", err, out)
	}
	if g.provider, err = rig.NewProvider(addresses[3], "ES256"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "ledger"), 0o700); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("ENDPOINT", g.endpoint, "ISSUER", g.provider.URL, "AUDIENCE", rig.Audience, "LEDGER", filepath.Join(dir, "ledger"),
		"APP", g.app, "OPS", g.ops, "SECRET", secret).Replace(caddyfile)
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	return g, g.start()
}

func (g *gateway) start() (err error) {
	g.process, err = rig.Start(rig.Command{Name: "caddy", Path: g.binary, Args: []string{"run", "--config", "Caddyfile"}, Env: rig.Home(g.dir), Dir: g.dir})
	if err != nil {
		return err
	}
	return rig.Await(g.process, rig.Patience, func() error {
		resp, err := g.client.Get("http://" + g.ops + "/readyz")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %d", resp.StatusCode)
		}
		return nil
	})
}

// restart ends the process by SIGTERM or, if hard, by SIGKILL, and starts it again.
func (g *gateway) restart(hard bool) error {
	if hard {
		g.process.Kill()
	}
	g.process.Stop()
	return g.start()
}

func (g *gateway) reload() error {
	cmd := exec.Command(g.binary, "reload", "--config", "Caddyfile", "--force", "--address", g.endpoint)
	cmd.Dir, cmd.Env = g.dir, append(os.Environ(), rig.Home(g.dir)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("reloading: %w\n%s", err, out)
	}
	return nil
}

// sample is what the gateway says of itself at one moment.
type sample struct {
	After                                 time.Duration
	Heap, Goroutines, Descriptors, Ledger float64
	P99                                   time.Duration
}

func (g *gateway) sample(latencies *rig.Latencies) (sample, error) {
	s := sample{P99: latencies.Quantile(0.99)}
	resp, err := g.client.Get("http://" + g.ops + "/metrics")
	if err != nil {
		return s, fmt.Errorf("scraping: %w", err)
	}
	defer resp.Body.Close()
	into := map[string]*float64{
		"go_memstats_heap_alloc_bytes": &s.Heap, "go_goroutines": &s.Goroutines, "process_open_fds": &s.Descriptors, "curfew_ledger_bytes": &s.Ledger,
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if to := into[name]; to != nil {
			if *to, err = strconv.ParseFloat(value, 64); err != nil {
				return s, fmt.Errorf("reading %s: %w", name, err)
			}
		}
	}
	if s.Goroutines == 0 || s.Ledger == 0 {
		return s, errors.New("the gateway does not say what it uses")
	}
	return s, nil
}
