package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// api is the admin API of the gateway, as an operator's program calls it.
type api struct {
	url, authorization, issuer string
	client                     *http.Client
}

// preview is what a sign-out would hit.
type preview struct {
	Accounts      int      `json:"accounts"`
	Sessions      int      `json:"sessions"`
	ExemptClients []string `json:"exempt_clients"`
}

// receipt says where a sign-out is in force.
type receipt struct {
	ID            string    `json:"id"`
	At            time.Time `json:"at"`
	ExemptClients []string  `json:"exempt_clients"`
	Durability    string    `json:"durability"`
	Enforcement   struct {
		State string `json:"state"`
	} `json:"enforcement"`

	replayed bool
}

func (a api) preview(ctx context.Context, user string) (preview, error) {
	answer, err := a.post(ctx, "/v1/revocations/preview", user, "")
	return decode[preview](answer, err, http.StatusOK)
}

// signOut signs somebody out everywhere. Under one key it does so once.
func (a api) signOut(ctx context.Context, user, key string) (receipt, error) {
	answer, err := a.post(ctx, "/v1/revocations", user, key)
	r, err := decode[receipt](answer, err, http.StatusCreated)
	r.replayed = answer.header.Get("Idempotent-Replayed") == "true"
	return r, err
}

func (a api) receipt(ctx context.Context, id string) (receipt, error) {
	answer, err := get(ctx, a.client, a.url+"/v1/revocations/"+id, a.authorization)
	return decode[receipt](answer, err, http.StatusOK)
}

func (a api) post(ctx context.Context, path, user, key string) (answer, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return ask(ctx, a.client, http.MethodPost, a.url+path, a.authorization, a.body(user), header)
}

// body asks for a user everywhere. A preview takes the same.
func (a api) body(user string) string {
	b, _ := json.Marshal(map[string]any{ // strings always marshal
		"target": map[string]string{"iss": a.issuer, "sub": user},
		"reason": "lost phone",
	})
	return string(b)
}

func decode[T any](a answer, err error, status int) (out T, _ error) {
	if err != nil {
		return out, err
	}
	if err := expectStatus(a, status); err != nil {
		return out, err
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return out, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return out, nil
}
