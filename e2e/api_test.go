//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/adminclient"
)

// object is a JSON object that a test writes.
type object map[string]any

// caller calls the admin API with the secret of a role.
type caller struct {
	gateway *gateway
	role    string
}

func (g *gateway) as(role string) caller { return caller{g, role} }

// call sends a body, or none, with further headers as name, value pairs.
func (c caller) call(t *testing.T, method, path string, body object, headers ...string) answer {
	t.Helper()
	return c.gateway.do(t, c.request(t, method, path, body, headers...))
}

func (c caller) request(t *testing.T, method, path string, body object, headers ...string) *http.Request {
	t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	r := newRequest(t, method, "http://"+c.gateway.API+path, &b)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+c.gateway.read(t, filepath.Join(c.gateway.Secrets, c.role)))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (a answer) decode(t *testing.T, status int, into any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("the admin API answers %d, want %d: %s", a.status, status, a.body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("reading an answer of the admin API: %v: %s", err, a.body)
	}
}

// problem is the type of a refusal of the admin API, without its prefix.
func (a answer) problem(t *testing.T) string {
	t.Helper()
	var p struct {
		Type string `json:"type"`
	}
	a.decode(t, a.status, &p)
	return strings.TrimPrefix(p.Type, "urn:curfew:")
}

// client makes typed calls with the secret of the role.
func (c caller) client() *adminclient.Client {
	return &adminclient.Client{
		URL: "http://" + c.gateway.API, Secret: adminclient.SecretFile(filepath.Join(c.gateway.Secrets, c.role)),
		HTTP: c.gateway.Client, Endurance: -1,
	}
}

// must unwraps the answer to a call that has to succeed.
func must[T any](t *testing.T) func(adminclient.Answer[T], error) T {
	t.Helper()
	return func(a adminclient.Answer[T], err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a.Value
	}
}

// receipt is the answer to a write (section 8 of the design).
type receipt = adminclient.Receipt

// checkReceipt holds a receipt to what a single gateway promises.
func checkReceipt(t *testing.T, r receipt) receipt {
	t.Helper()
	e := r.Enforcement
	if r.ID == "" || r.Position == "" || r.Durability != "verified" || e.State != "enforced" || e.EnforcedBy == nil {
		t.Errorf("the receipt promises too little: %+v", r)
	}
	if len(e.Nodes) != 1 || !strings.HasPrefix(e.Nodes[0].Node, "edge-1/") || e.Nodes[0].State != "enforced" {
		t.Errorf("the receipt names the nodes %+v", e.Nodes)
	}
	return r
}

// cut revokes. A target of many accounts is previewed first.
func (g *gateway) cut(t *testing.T, body object) receipt {
	t.Helper()
	as := g.as("write")
	if wide(body) {
		as = g.as("break_glass")
		body["preview_id"] = g.preview(t, body).ID
	}
	a, err := adminclient.Write[receipt](t.Context(), as.client(), http.MethodPost, "/v1/revocations", body, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Header.Get("Location"); got != "/v1/revocations/"+a.Value.ID {
		t.Errorf("the receipt lies at %q", got)
	}
	return checkReceipt(t, a.Value)
}

func wide(body object) bool {
	target := body["target"].(object)
	for _, narrow := range []string{"sub", "sid", "jti"} {
		if _, ok := target[narrow]; ok {
			return false
		}
	}
	return true
}

func (g *gateway) preview(t *testing.T, body object) adminclient.Preview {
	t.Helper()
	return must[adminclient.Preview](t)(adminclient.Read[adminclient.Preview](t.Context(), g.as("read").client(), http.MethodPost, "/v1/revocations/preview", body))
}

// target is an object of the gateway's issuer with further members.
func (g *gateway) target(members ...string) object {
	t := object{"iss": g.Issuer}
	for i := 0; i < len(members); i += 2 {
		t[members[i]] = members[i+1]
	}
	return t
}
