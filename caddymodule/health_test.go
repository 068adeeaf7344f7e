package caddymodule_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

// readiness checks that the probe, the metric and the API agree about a gateway
// and each of its issuers.
func (g *gateway) readiness(want bool, issuers map[string]bool) {
	g.t.Helper()
	probe, value, state := 503, "0", "keyless"
	if want {
		probe, value, state = 200, "1", "ready"
	}
	eventually(g.t, "the probe answers as it should", func() bool { return g.probe("/readyz") == probe })
	samples := []string{"curfew_ready " + value}
	for url, ready := range issuers {
		digit := "0"
		if ready {
			digit = "1"
		}
		samples = append(samples, `curfew_ready{issuer="`+url+`"} `+digit)
	}
	var scraped []string
	for line := range strings.Lines(fetch(g.t, g.health+"/metrics")) {
		if strings.HasPrefix(line, "curfew_ready") {
			scraped = append(scraped, strings.TrimSpace(line))
		}
	}
	slices.Sort(samples)
	slices.Sort(scraped)
	if !slices.Equal(scraped, samples) {
		g.t.Errorf("scraped %q, want %q", scraped, samples)
	}
	s := g.nodes()["edge-1"]
	if s.State != state || (s.Why == "") != want || len(s.Issuers) != len(issuers) {
		g.t.Errorf("the node says %+v, want it to be %s", s, state)
	}
	for _, i := range s.Issuers {
		if i.Ready != issuers[i.Issuer] || (i.Why == "") != i.Ready {
			g.t.Errorf("the node says %+v", i)
		}
	}
	if n := g.metric(`curfew_nodes{state="` + state + `"}`); n != 1 {
		g.t.Errorf("%v nodes are counted as %s", n, state)
	}
}

func TestAGatewayWhoseProviderIsUnreachableIsNotReadyWhereverOneLooks(t *testing.T) {
	g := prepare(t)
	g.issuer.Fail(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	g.load(global, sites)
	token := g.token("alice")
	if a := g.get("/", token); a.StatusCode != 503 || a.problem() != "urn:curfew:not-ready" {
		t.Errorf("a request: %d %s", a.StatusCode, a.body)
	}
	g.readiness(false, map[string]bool{g.issuer.URL: false})
	eventually(t, "it says that the provider answers 500", func() bool {
		return strings.Contains(g.nodes()["edge-1"].Why, "no keys of "+g.issuer.URL) && strings.Contains(g.nodes()["edge-1"].Why, "500")
	})
	// A node without keys enforces records like any other node.
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"})
	g.load(global, strings.Replace(sites, "/public/*", "/public/* /other", 1))
	g.readiness(false, map[string]bool{g.issuer.URL: false})
	g.issuer.Fail(nil)
	g.awaitStatus("/", token, 200)
	g.readiness(true, map[string]bool{g.issuer.URL: true})
	if a := g.get("/", g.token("bob", tokentest.Claims{"jti": "another"})); a.StatusCode != 401 {
		t.Errorf("signed out while there were no keys: %d", a.StatusCode)
	}
}
