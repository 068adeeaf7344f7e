package main

import (
	"context"
	"fmt"
	"time"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/revocation"
)

// endWithin is how long connections may take to end.
const endWithin = 30 * time.Second

// signOut signs one user out and returns how long after the call each of the
// user's connections ended, on the client's side.
func (s *stage) signOut(ctx context.Context, c *crowd, user int) ([]time.Duration, error) {
	began := time.Now()
	r, err := s.api.Revoke(ctx, adminclient.Revocation{Target: revocation.Target{Issuer: s.issuer.url, Subject: subject(user)}}, "")
	if err != nil {
		return nil, err
	}
	mine := c.byUser[user]
	if cut := r.Value.Enforcement.LiveRequestsCut; cut != len(mine) {
		return nil, fmt.Errorf("%d live requests of %s were cut, %d are open", cut, subject(user), len(mine))
	}
	return took(ctx, mine, began)
}

// signAllOut signs the tenant out. It returns also how long the call took.
func (s *stage) signAllOut(ctx context.Context, c *crowd) ([]time.Duration, time.Duration, error) {
	var open []*connection
	for _, conn := range c.all {
		select {
		case <-conn.ended:
		default:
			open = append(open, conn)
		}
	}
	request := adminclient.Revocation{Target: revocation.Target{Issuer: s.issuer.url, Tenant: tenant}}
	preview, err := s.api.Preview(ctx, request)
	if err != nil {
		return nil, 0, err
	}
	request.PreviewID = preview.Value.ID
	began := time.Now()
	r, err := s.api.Revoke(ctx, request, "")
	if err != nil {
		return nil, 0, err
	}
	answered := time.Since(began)
	if cut := r.Value.Enforcement.LiveRequestsCut; cut < len(open) { // the prober's own may be among them
		return nil, 0, fmt.Errorf("%d live requests were cut, %d are open", cut, len(open))
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
