package main

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// probeEvery is the interval between requests of a user without open
// connections, who is signed out only at the end.
const probeEvery = 5 * time.Millisecond

// probe sends requests at a steady rate, whether or not earlier ones were
// answered. It returns a function that stops it and returns the times.
func (s *stage) probe(ctx context.Context) (stop func() []time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	var (
		mu    sync.Mutex
		times []time.Duration
		done  sync.WaitGroup
	)
	done.Go(func() {
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			done.Go(func() {
				took := s.hello()
				mu.Lock()
				defer mu.Unlock()
				times = append(times, took)
			})
		}
	})
	return func() []time.Duration {
		cancel()
		done.Wait()
		return times
	}
}

var prober = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second}

// hello sends one request of a user without open connections. A refusal counts
// as an answer, because at the end every user is signed out.
func (s *stage) hello() time.Duration {
	began := time.Now()
	r, err := http.NewRequest(http.MethodGet, "http://"+s.app+"/hello", nil)
	if err != nil {
		return 0
	}
	r.Header.Set("Authorization", "Bearer "+s.bystander)
	resp, err := prober.Do(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return time.Since(began)
}
