package main

import (
	"context"
	"fmt"
	"time"
)

type target map[string]string

type receipt struct {
	Enforcement struct {
		LiveRequestsCut int `json:"live_requests_cut"`
	}
}

// endWithin is how long is waited for what must end.
const endWithin = 30 * time.Second

// signOut signs one user out and returns how long after the call each of the
// user's connections ended, on the client's side.
func (s *stage) signOut(ctx context.Context, c *crowd, user int) ([]time.Duration, error) {
	began := time.Now()
	var r receipt
	err := s.call(ctx, "/v1/revocations", map[string]any{"target": target{"iss": s.issuer.url, "sub": subject(user)}}, &r)
	if err != nil {
		return nil, err
	}
	mine := c.byUser[user]
	if r.Enforcement.LiveRequestsCut != len(mine) {
		return nil, fmt.Errorf("%d live requests of %s were cut, %d are open", r.Enforcement.LiveRequestsCut, subject(user), len(mine))
	}
	return took(ctx, mine, began)
}

// signAllOut signs the tenant out, and returns how long the call took beside.
func (s *stage) signAllOut(ctx context.Context, c *crowd) ([]time.Duration, time.Duration, error) {
	var open []*connection
	for _, conn := range c.all {
		select {
		case <-conn.ended:
		default:
			open = append(open, conn)
		}
	}
	body := map[string]any{"target": target{"iss": s.issuer.url, "tenant": tenant}}
	var preview struct {
		ID string `json:"preview_id"`
	}
	if err := s.call(ctx, "/v1/revocations/preview", body, &preview); err != nil {
		return nil, 0, err
	}
	body["preview_id"] = preview.ID
	began := time.Now()
	var r receipt
	if err := s.call(ctx, "/v1/revocations", body, &r); err != nil {
		return nil, 0, err
	}
	answered := time.Since(began)
	if r.Enforcement.LiveRequestsCut < len(open) { // the prober's own may be among them
		return nil, 0, fmt.Errorf("%d live requests were cut, %d are open", r.Enforcement.LiveRequestsCut, len(open))
	}
	all, err := took(ctx, open, began)
	return all, answered, err
}

func took(ctx context.Context, connections []*connection, began time.Time) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	var all []time.Duration
	for _, conn := range connections {
		select {
		case <-conn.ended:
			all = append(all, conn.at.Sub(began))
		case <-ctx.Done():
			return nil, fmt.Errorf("a connection of %s did not end within %v", subject(conn.user), endWithin)
		}
	}
	return all, nil
}
