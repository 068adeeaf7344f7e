package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// api is the path of the admin API on Caddy's admin endpoint.
const api = "/curfew/v1"

const (
	// patience is how long one exchange may take: the longest `wait` that the
	// API grants, an append, and some air.
	patience   = 30 * time.Second
	maxAnswer  = 32 << 20
	maxProblem = 1 << 20
)

// errUnreachable: the exchange with the gateway broke off.
var errUnreachable = errors.New("can't talk to the gateway")

// gateway is the admin API on the admin endpoint of a running Caddy.
type gateway struct{ address string }

func (g *gateway) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.address, "address", caddy.DefaultAdminListen, "Admin endpoint of Caddy: host:port or unix//path")
}

// header fields of a request beside those that every request has.
type header struct{ name, value string }

// read sends a request that changes nothing. body is nil or becomes JSON.
func (g *gateway) read(ctx context.Context, method, path string, body any) ([]byte, error) {
	payload, err := encode(body)
	if err != nil {
		return nil, err
	}
	return g.exchange(ctx, method, path, payload)
}

// write sends a request that changes something, again where the outcome of the
// first time is unknown. An empty key is replaced by a new one.
func (g *gateway) write(ctx context.Context, method, path string, body any, key string) ([]byte, error) {
	payload, err := encode(body)
	if err != nil {
		return nil, err
	}
	if key == "" {
		key = rand.Text()
	}
	return persist(ctx, key, func() ([]byte, error) {
		return g.exchange(ctx, method, path, payload, header{"Idempotency-Key", key})
	})
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	return b, nil
}

// exchange sends one request and reads the whole answer.
func (g *gateway) exchange(ctx context.Context, method, path string, payload []byte, fields ...header) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if payload != nil {
		body = bytes.NewReader(payload)
		fields = append(fields, header{"Content-Type", "application/json"})
	}
	resp, err := g.open(ctx, method, path, body, fields...)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := bounded(resp.Body, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("%w: reading its answer: %w", errUnreachable, err)
	}
	return answer, nil
}

// open sends a request and returns the answer with its body unread, or a
// *problem if it is not a success.
func (g *gateway) open(ctx context.Context, method, path string, body io.Reader, fields ...header) (*http.Response, error) {
	at, err := parseEndpoint(g.address)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, at.origin+path, body)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	if !at.socket {
		// What Caddy's own commands send; with `enforce_origin` it is needed.
		req.Header.Set("Origin", at.origin)
	}
	for _, f := range fields {
		req.Header.Set(f.name, f.value)
	}
	resp, err := at.client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: is Caddy running? --address or CADDY_ADMIN names its admin endpoint: %w", errUnreachable, g.address, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	answer, err := bounded(resp.Body, maxProblem)
	if err != nil {
		return nil, fmt.Errorf("%w: reading its refusal: %w", errUnreachable, err)
	}
	return nil, problemOf(resp.StatusCode, resp.Header, answer)
}

// bounded reads r to its end, or fails at the limit.
func bounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is longer than %d bytes", limit)
	}
	return b, err
}
