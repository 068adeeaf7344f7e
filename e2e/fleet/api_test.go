//go:build e2e

package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"curfew.dev/curfew/adminclient"
)

// object is a JSON object that a test writes.
type object map[string]any

// The callers of the admin API.
const (
	reader   = "reading-secret-of-the-tests"
	helpdesk = "writing-secret-of-the-tests"
	importer = "importing-secret-of-the-tests"
)

// as makes typed calls with a secret. A write is sent once: the tests count what
// each attempt led to.
func (g *gateway) as(secret string) *adminclient.Client {
	return &adminclient.Client{
		URL: "http://" + g.API, Secret: func() (string, error) { return secret, nil }, HTTP: g.Client, Endurance: -1,
	}
}

// outcome is the status of a call and what a refusal says; status 0: there was no
// answer.
func outcome(err error, success int) (status int, problem string) {
	var refusal *adminclient.Problem
	switch {
	case err == nil:
		return success, ""
	case errors.As(err, &refusal):
		return refusal.Status, string(refusal.Raw)
	}
	return 0, ""
}

// receipt is the answer to a write (section 8 of the design).
type receipt = adminclient.Receipt

// nodes is what a gateway says of itself, first, and of the others.
func (g *gateway) nodes(ctx context.Context) ([]adminclient.NodeStatus, error) {
	a, err := g.as(reader).Nodes(ctx)
	if err == nil && len(a.Value.Items) == 0 {
		err = fmt.Errorf("no nodes: %s", a.Raw)
	}
	return a.Value.Items, err
}

// self is the gateway's own line.
func (g *gateway) self(ctx context.Context) (adminclient.NodeStatus, error) {
	list, err := g.nodes(ctx)
	if err != nil {
		return adminclient.NodeStatus{}, err
	}
	return list[0], nil
}

// problem is the type of a refusal, without its prefix.
func (a answer) problem() string {
	var p struct{ Type string }
	_ = json.Unmarshal(a.body, &p)
	return p.Type
}
