package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// revoker signs users out who never ask, at a rate.
type revoker struct {
	gateway *gateway
	client  http.Client
	next    atomic.Int64
	failed  atomic.Int64
	batch   int // revocations of one call
}

func newRevoker(g *gateway, arrive string, rate float64) *revoker {
	r := &revoker{gateway: g, batch: 1, client: http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers},
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
	var body bytes.Buffer
	for range r.batch {
		fmt.Fprintf(&body, `{"target":{"iss":%q,"sub":"leaves-%d"}}`+"\n", r.gateway.Issuer, r.next.Add(1))
	}
	path, kind := "/v1/revocations", "application/json"
	if r.batch > 1 {
		path, kind = "/v1/revocations/import", "application/x-ndjson"
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+r.gateway.API+path, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+r.gateway.Secret)
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("revoking: %d %.300s", resp.StatusCode, answer)
	}
	return err
}
