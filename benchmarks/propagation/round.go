package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"curfew.dev/curfew/benchmarks/rig"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// patience is the time after which a revocation counts as failed.
const patience = 10 * time.Second

// arrivals returns the times at which revocations are due, from the beginning
// of a round. The times are random and do not depend on the speed of the fleet.
func arrivals(random *rand.Rand, rate float64, length time.Duration) (due []time.Duration) {
	gap := func() time.Duration {
		// Cut a long gap to the length of the round, so that sums don't
		// overflow.
		return time.Duration(min(random.ExpFloat64()/rate*float64(time.Second), float64(length)))
	}
	for at := gap(); at < length || len(due) == 0; at += gap() {
		due = append(due, at)
	}
	return due
}

// revoking is one revocation and the times of its steps. Durations count from
// the time it was due, so that they include the delay of a slow node.
type revoking struct {
	user     string
	due      time.Time
	session  *session // on another node
	position revocation.Position
	submit   time.Duration
	receipt  time.Duration
	err      error
}

// prepare opens a request for every user before the round begins.
func (f fleet) prepare(name string, due []time.Duration, writers int) []*revoking {
	all := make([]*revoking, len(due))
	for i := range due {
		user := fmt.Sprintf("%s-user-%d", name, i)
		other := i%writers + 1 + rand.IntN(len(f)-1)
		all[i] = &revoking{user: user, session: open(f[other%len(f)], user)}
	}
	return all
}

// play revokes each user at the due time, and waits for the last receipt.
func (f fleet) play(all []*revoking, due []time.Duration, writers int) {
	var done sync.WaitGroup
	began := time.Now()
	for i, r := range all {
		r.due = began.Add(due[i])
		time.Sleep(time.Until(r.due))
		done.Go(func() { r.err = r.revoke(f[i%writers]) })
	}
	done.Wait()
}

func (r *revoking) revoke(g *gateway) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	records := []revocation.Record{signOut(r.user)}
	w, err := g.Submit(ctx, records, ledger.Idempotency{})
	if err != nil {
		return fmt.Errorf("revoking: %w", err)
	}
	r.position, r.submit = w.Position, time.Since(r.due)
	if !refuses(g.Node, &r.session.credential) {
		return errors.New("the node that has answered does not refuse")
	}
	g.Await(ctx, w.Position)
	r.receipt = time.Since(r.due)
	if state := g.receipt(w.Position, &records[0]).State; state != "enforced" {
		return fmt.Errorf("the receipt says %q", state)
	}
	select {
	case <-r.session.ended:
		return nil
	case <-ctx.Done():
		return errors.New("a live request was not cut")
	}
}

// everywhere returns the time at which the last node had the entry in its
// index, and the time of each node.
func (f fleet) everywhere(r *revoking, each *rig.Latencies) (last time.Duration, err error) {
	for _, g := range f {
		at, ok := g.watch.reached(r.position)
		for deadline := time.Now().Add(patience); !ok && time.Now().Before(deadline); at, ok = g.watch.reached(r.position) {
			time.Sleep(time.Millisecond) // a node may acknowledge before the watch is pressed
		}
		if !ok || !refuses(g.Node, &r.session.credential) {
			return 0, fmt.Errorf("%s does not refuse what its receipt says it does", g.ID())
		}
		took := g.watch.began.Add(at).Sub(r.due)
		each.Note(took)
		last = max(last, took)
	}
	return last, nil
}

// signOut is the record that a help desk writes when a user has lost a phone.
func signOut(user string) revocation.Record {
	now := time.Now()
	return revocation.Record{
		Type: revocation.Cut, Mode: revocation.SignIn, Target: revocation.Target{Issuer: issuer, Subject: user},
		At: now.UnixMilli(), Through: now.Unix() + 2, Keep: int64(90 * 24 * time.Hour / time.Second), Time: now.UnixMilli(),
		Source: "admin", Actor: "helpdesk", Reason: "lost phone", Remote: "192.0.2.7:41234", RequestID: "0123456789abcdef0123456789abcdef",
	}
}
