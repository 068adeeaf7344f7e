package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
)

// people send requests and sign out.
type people struct {
	gateway *gateway
	client  *http.Client
	tokens  []string

	down                                                         atomic.Bool // the gateway is being restarted
	answered, signedOut, reloads, restarts, explained, unfounded atomic.Int64

	mu      sync.Mutex
	took    *rig.Latencies
	out     map[int]bool // users whose sign-out was acknowledged
	first   string       // the first answer that nothing explains
	changed time.Time    // when the gateway was last down
}

func newPeople(g *gateway) (*people, error) {
	tokens, err := g.provider.Tokens(users)
	return &people{
		gateway: g, tokens: tokens, took: new(rig.Latencies), out: make(map[int]bool),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}, err
}

// begin sends requests and sign-outs until ctx ends.
func (p *people) begin(ctx context.Context, o options) *sync.WaitGroup {
	var busy sync.WaitGroup
	const senders = 8
	for range senders {
		busy.Go(func() { p.every(ctx, time.Duration(senders*float64(time.Second)/o.rate), p.ask) })
	}
	busy.Go(func() { p.every(ctx, time.Duration(float64(time.Second)/o.signOuts), p.signOut) })
	return &busy
}

func (p *people) every(ctx context.Context, interval time.Duration, do func(user int)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do(rand.IntN(users))
		}
	}
}

// ask sends a request, and holds the answer to what is known of the user.
func (p *people) ask(user int) {
	p.mu.Lock()
	out := p.out[user]
	p.mu.Unlock()
	began := time.Now()
	status, err := p.get(user)
	took := time.Since(began)
	switch {
	case err != nil || status >= 500:
		p.unexplained(began, fmt.Sprintf("a request: %d, %v", status, err))
		return
	case out && status != http.StatusUnauthorized:
		p.fault(fmt.Sprintf("user %d is signed out and gets %d", user, status))
	}
	p.answered.Add(1)
	p.mu.Lock()
	p.took.Note(took)
	p.mu.Unlock()
}

func (p *people) get(user int) (int, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+p.gateway.app+"/", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+p.tokens[user])
	return p.do(r)
}

func (p *people) do(r *http.Request) (int, error) {
	resp, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// signOut signs a session out. Half of the users never are; of them one session
// that does not exist is signed out, so that the ledger grows all the time.
func (p *people) signOut(user int) {
	target := map[string]string{"iss": p.gateway.provider.URL, "sid": fmt.Sprintf("sid-user-%07d", user)}
	real := user%2 == 0
	if !real {
		target["sid"] = fmt.Sprintf("sid-of-nobody-%d", rand.Int64())
	}
	body, _ := json.Marshal(map[string]any{"target": target}) // of strings
	r, err := http.NewRequest(http.MethodPost, "http://"+p.gateway.ops+"/v1/revocations", bytes.NewReader(body))
	if err != nil {
		p.fault(err.Error())
		return
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/json")
	began := time.Now()
	status, err := p.do(r)
	if err != nil || status != http.StatusCreated {
		p.unexplained(began, fmt.Sprintf("a sign-out: %d, %v", status, err))
		return
	}
	p.signedOut.Add(1)
	if real {
		p.mu.Lock()
		p.out[user] = true
		p.mu.Unlock()
	}
}

// checkAll asks for each user who was signed out.
func (p *people) checkAll(context.Context) error {
	for user := range p.out {
		if status, err := p.get(user); err != nil || status != http.StatusUnauthorized {
			return fmt.Errorf("user %d was signed out and gets %d, %v", user, status, err)
		}
	}
	return nil
}

// unexplained counts what failed. It is a fault unless the gateway was being
// restarted, then or until a moment ago.
func (p *people) unexplained(began time.Time, what string) {
	p.mu.Lock()
	if p.down.Load() {
		p.changed = time.Now()
	}
	explained := p.down.Load() || began.Before(p.changed.Add(time.Second))
	p.mu.Unlock()
	if explained {
		p.explained.Add(1)
		return
	}
	p.fault(what)
}

func (p *people) fault(what string) {
	p.unfounded.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == "" {
		p.first = what
	}
}

func (p *people) verdict() error {
	if n := p.unfounded.Load(); n > 0 {
		return fmt.Errorf("%d answers that nothing explains; the first: %s", n, p.first)
	}
	return nil
}

// latencies returns those since the last call.
func (p *people) latencies() *rig.Latencies {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := p.took
	p.took = new(rig.Latencies)
	return took
}
