package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// base is the name of the gateway that the others are compared to.
const base = "base"

// contestant says what one of the compared gateways is.
type contestant struct {
	name     string
	binary   func(binaries) string
	identity string // of its guard; empty: there is none
	sets     int    // headers that a plain handler sets
}

// set are headers like those of the guard, in the same order, for the handler
// that does nothing but set them.
var set = []header{
	{"X-Authenticated", "true"},
	{"X-Issuer", "https://login.example.test"},
	{"X-Subject", "user-0000001"},
	{"X-Client", "web"},
	{"X-Session", "sid-user-0000001"},
	{"X-Device", "device-user-0000001"},
	{"X-Tenant", "contoso"},
	{"X-Scope", "read write"},
	{"X-Acr", "mfa"},
	{"X-Amr", "pwd otp"},
	{"X-Auth-Time", "1795168800"},
	{"X-Expires-At", "1795172400"},
}

type header struct{ Name, Value string }

// headersOf is the number of headers that an identity has.
var headersOf = map[string]int{"all": len(set), "minimal": 3, "none": 0}

// contestants returns the gateways to compare, the base first. A guard is
// followed by the plain handler that sets as many headers.
func (o options) contestants(b binaries) ([]contestant, error) {
	all := []contestant{{name: base, binary: func(b binaries) string { return b.base }}}
	if b.given != "" {
		all = append(all, contestant{name: "given", binary: func(b binaries) string { return b.given }})
	}
	if o.identities == "" {
		return all, nil
	}
	for _, identity := range strings.Split(o.identities, ",") {
		headers, known := headersOf[identity]
		if !known {
			return nil, fmt.Errorf("-identity %s: want some of all, minimal, none", identity)
		}
		all = append(all, contestant{name: identity, binary: func(b binaries) string { return b.guarded }, identity: identity})
		if headers > 0 {
			all = append(all, contestant{name: fmt.Sprint("set-", headers), binary: func(b binaries) string { return b.setter }, sets: headers})
		}
	}
	return all, nil
}

// binaries are the Caddies of a run.
type binaries struct {
	base    string // that the others are compared to
	given   string // by -caddy, without the guard; empty: none
	guarded string // with the guard
	setter  string // with the handler that sets headers
}

// find builds what the flags don't name.
func (o options) find(dir string) (binaries, error) {
	var b binaries
	var err error
	if o.caddy != "" {
		given, err := filepath.Abs(o.caddy)
		if err != nil {
			return b, fmt.Errorf("-caddy: %w", err)
		}
		guards, err := hasGuard(given)
		if err != nil {
			return b, fmt.Errorf("-caddy: %w", err)
		}
		if guards {
			b.guarded = given
		} else {
			b.given = given
		}
	}
	if o.base != "" {
		if b.base, err = filepath.Abs(o.base); err != nil {
			return b, fmt.Errorf("-base: %w", err)
		}
	}
	for _, each := range []struct {
		into          *string
		name, program string
	}{
		{&b.base, "stock", "github.com/caddyserver/caddy/v2/cmd/caddy"},
		{&b.guarded, "caddy", "curfew.dev/curfew/cmd/caddy"},
		{&b.setter, "setter", "curfew.dev/curfew/benchmarks/overhead/caddy"},
	} {
		if *each.into == "" && (!o.flood && !o.signOuts || each.into == &b.guarded) {
			*each.into = filepath.Join(dir, each.name)
			if err := build(*each.into, each.program); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func build(binary, program string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, program)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s (run this inside the repository): %w\n%s", program, err, out)
	}
	return nil
}

// hasGuard asks a Caddy for its modules.
func hasGuard(binary string) (bool, error) {
	out, err := exec.Command(binary, "list-modules").Output()
	if err != nil {
		return false, fmt.Errorf("asking %s for its modules: %w", binary, err)
	}
	return slices.Contains(strings.Fields(string(bytes.ToLower(out))), "http.handlers.curfew"), nil
}

// field holds the started gateways, the base first.
type field []*gateway

func (f field) stop() {
	for _, g := range f {
		g.Stop()
	}
}

// start starts the gateways, each with a ledger of its own that has so many
// entries.
func (p *place) start(entries int) (field, error) {
	contestants, err := p.contestants(p.binaries)
	if err != nil {
		return nil, err
	}
	filled := filepath.Join(p.dir, fmt.Sprint("ledger-", entries))
	if err := os.Mkdir(filled, 0o700); err != nil {
		return nil, fmt.Errorf("making a directory for the ledger: %w", err)
	}
	if err := fill(filled, p.provider.URL, entries); err != nil {
		return nil, err
	}
	var started field
	for _, c := range contestants {
		s := p.settings(c.name)
		s.Identity, s.Set = c.identity, set[:c.sets]
		if c.identity != "" {
			s.Ledger = fmt.Sprint(filled, "-", c.name)
			if err := os.CopyFS(s.Ledger, os.DirFS(filled)); err != nil {
				return nil, errors.Join(fmt.Errorf("copying the ledger: %w", err), os.RemoveAll(s.Ledger))
			}
		}
		g, err := startGateway(p.options, c.binary(p.binaries), p.dir, s)
		if err != nil {
			started.stop()
			return nil, err
		}
		started = append(started, g)
	}
	return started, nil
}
