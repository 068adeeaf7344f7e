package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/revocation"
)

// revoker signs users out at a rate. None of them sends requests.
type revoker struct {
	issuer string
	client *adminclient.Client
	next   atomic.Int64
	failed atomic.Int64
	batch  int // revocations of one call
}

func newRevoker(g *gateway, arrive string, rate float64) *revoker {
	r := &revoker{issuer: g.Issuer, batch: 1, client: &adminclient.Client{
		URL: "http://" + g.API, Secret: func() (string, error) { return g.Secret, nil }, Endurance: -1,
		HTTP: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers}},
	}}
	if arrive == "import" {
		r.batch = max(1, int(rate/10))
	}
	return r
}

// callers is how many calls may be under way at once.
const callers = 64

// run revokes until the context ends, and returns how many were acknowledged.
func (r *revoker) run(ctx context.Context, rate float64) (acknowledged int64) {
	if rate == 0 {
		<-ctx.Done()
		return 0
	}
	var (
		wg   sync.WaitGroup
		done atomic.Int64
		due  = time.NewTicker(time.Duration(float64(r.batch) / rate * float64(time.Second)))
		free = make(chan struct{}, callers)
	)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return done.Load()
		case <-due.C:
		}
		select {
		case free <- struct{}{}:
			wg.Go(func() {
				defer func() { <-free }()
				if err := r.revoke(); err != nil {
					r.failed.Add(1)
					return
				}
				done.Add(int64(r.batch))
			})
		default: // the gateway can't keep up; what was achieved is reported
		}
	}
}

func (r *revoker) revoke() error {
	if r.batch == 1 {
		_, err := r.client.Revoke(context.Background(), r.one(), "")
		return err
	}
	var lines bytes.Buffer
	to := json.NewEncoder(&lines)
	for range r.batch {
		_ = to.Encode(r.one()) // strings always marshal
	}
	for line, err := range r.client.Import(context.Background(), &lines, "") {
		if err != nil {
			return err
		}
		if line.Problem != nil {
			return line.Problem
		}
	}
	return nil
}

func (r *revoker) one() adminclient.Revocation {
	return adminclient.Revocation{Target: revocation.Target{Issuer: r.issuer, Subject: fmt.Sprint("leaves-", r.next.Add(1))}}
}
