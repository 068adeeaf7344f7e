package caddymodule_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

// extents has a route for each way in which guards say what the service gets.
const extents = `
http://127.0.0.1:APPPORT {
	@all path /all/*
	curfew @all {
		identity all
		identity_header X-User-Email email
	}
	@minimal path /minimal/*
	curfew @minimal {
		identity minimal
		identity_header X-User-Email email
	}
	@none path /none/*
	curfew @none {
		identity none
		identity_header X-User-Email email
	}
	@optional path /optional/*
	curfew @optional {
		identity none
		optional
	}
	@anonymous path /anonymous/*
	curfew @anonymous {
		identity minimal
		optional
	}
	@narrowed path /narrowed/*
	curfew @narrowed
	curfew @narrowed {
		identity minimal
	}
	@inherited path /inherited/*
	curfew @inherited {
		identity minimal
	}
	curfew @inherited {
		scope read
	}
	@widened path /widened/*
	curfew @widened {
		identity none
	}
	curfew @widened {
		identity all
	}
	@trial path /trial/*
	curfew @trial
	curfew @trial {
		identity none
		dry_run
	}
	@page path /page/*
	curfew @page {
		identity none
		refusal handle_errors
	}
	reverse_proxy UPSTREAM
	handle_errors {
		rewrite * /error-page
		reverse_proxy UPSTREAM
	}
}
http://127.0.0.1:HEALTHPORT {
	metrics /metrics
	curfew_health
}
`

// Whatever a guard says about identity, no header of the client arrives, and the
// service gets what the guard says and no more.
func TestAServiceGetsTheHeadersThatItsGuardNames(t *testing.T) {
	g := start(t, global, extents)
	forgeable := identityHeaders[:len(identityHeaders)-1] // no guard here maps the last
	all := forgeable[:len(forgeable)-1]
	minimal := all[:3]
	for _, c := range []struct {
		path      string
		anonymous bool
		want      []string
	}{
		{"/all/x", false, append(slices.Clone(all), "X-User-Email")},
		{"/minimal/x", false, append(slices.Clone(minimal), "X-User-Email")},
		{"/none/x", false, []string{"X-User-Email"}},
		{"/optional/x", false, nil},
		{"/optional/x", true, nil},
		{"/anonymous/x", false, minimal},
		{"/anonymous/x", true, minimal[:1]},
		{"/narrowed/x", false, minimal},
		{"/inherited/x", false, minimal},
		{"/widened/x", false, all},
		{"/trial/x", false, all},
		{"/page/x", true, nil},
		{"/unguarded/x", true, nil},
	} {
		credential := ""
		if !c.anonymous {
			credential = g.token("alice", tokentest.Claims{"email": "alice@example.com"})
		}
		before := g.upstream.count()
		g.get(c.path, credential, func(r *http.Request) {
			for _, name := range forgeable {
				r.Header[name] = []string{forged}
				r.Header[strings.ReplaceAll(name, "-", "_")] = []string{forged}
			}
		})
		if g.upstream.count() != before+1 {
			t.Fatalf("%s did not reach the upstream", c.path)
		}
		checkIdentity(t, g.upstream)
		var got []string
		g.upstream.mu.Lock()
		sent := g.upstream.last.Header.Clone()
		g.upstream.mu.Unlock()
		for name := range sent {
			if strings.HasPrefix(name, "Curfew-") || name == "X-User-Email" {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(c.want))) {
			t.Errorf("%s, anonymous %t: got %v, want %v", c.path, c.anonymous, got, c.want)
		}
		if len(c.want) == 1 && c.want[0] == "Curfew-Authenticated" && sent.Get("Curfew-Authenticated") != "false" {
			t.Errorf("%s: an anonymous request says %q", c.path, sent.Get("Curfew-Authenticated"))
		}
	}
}
