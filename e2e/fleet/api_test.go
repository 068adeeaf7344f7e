//go:build e2e

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// object is a JSON object that a test writes.
type object map[string]any

// The callers of the admin API.
const (
	reader   = "reading-secret-of-the-tests"
	helpdesk = "writing-secret-of-the-tests"
	importer = "importing-secret-of-the-tests"
)

// call asks the admin API.
func (g *gateway) call(ctx context.Context, secret, method, path string, body any, headers ...string) (answer, error) {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		content = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+g.API+path, content)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return g.exchange(r)
}

// receipt is the answer to a write (section 8 of the design).
type receipt struct {
	ID          string `json:"id"`
	Position    string `json:"position"`
	Target      object `json:"target"`
	Durability  string `json:"durability"`
	Enforcement struct {
		State      string     `json:"state"`
		EnforcedBy *time.Time `json:"enforced_by"`
		Cut        int        `json:"live_requests_cut"`
		Nodes      []struct {
			Node       string     `json:"node"`
			State      string     `json:"state"`
			EnforcedAt *time.Time `json:"enforced_at"`
		} `json:"nodes"`
	} `json:"enforcement"`
}

// status is a line of GET /v1/nodes.
type status struct {
	Node      string  `json:"node"`
	State     string  `json:"state"`
	Why       string  `json:"why"`
	Position  string  `json:"position"`
	Epoch     uint64  `json:"epoch"`
	Format    int     `json:"format"`
	Staleness float64 `json:"staleness_seconds"`
}

// nodes is what a gateway says of itself, first, and of the others.
func (g *gateway) nodes(ctx context.Context) ([]status, error) {
	a, err := g.call(ctx, reader, http.MethodGet, "/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	var list struct{ Items []status }
	if err := json.Unmarshal(a.body, &list); err != nil || len(list.Items) == 0 {
		return nil, fmt.Errorf("%d %s", a.status, a.body)
	}
	return list.Items, nil
}

// self is the gateway's own line.
func (g *gateway) self(ctx context.Context) (status, error) {
	list, err := g.nodes(ctx)
	if err != nil {
		return status{}, err
	}
	return list[0], nil
}

// problem is the type of a refusal, without its prefix.
func (a answer) problem() string {
	var p struct{ Type string }
	_ = json.Unmarshal(a.body, &p)
	return p.Type
}
