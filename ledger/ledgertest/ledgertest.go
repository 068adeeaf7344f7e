// Package ledgertest is the contract of [ledger.Ledger] as tests. Every kind of
// ledger must pass the same tests. The package of a kind tests its further
// promises. This package must never know how a ledger is stored.
//
// # Reading order
//
//  1. ledgertest.go: the contract of the log.
//  2. documents.go: the contract of the documents.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// Open opens the ledger under dir, or begins one there with a genesis record.
// Opening the same dir after Close continues the log.
type Open func(t *testing.T, dir string) ledger.Ledger

// Run tests a kind of ledger.
func Run(t *testing.T, open func(t *testing.T, dir string) ledger.Ledger) {
	for name, test := range map[string]func(*testing.T, Open){
		"begins with a genesis":              testGenesis,
		"order without gaps":                 testOrder,
		"records come back unchanged":        testUnchanged,
		"durable over reopening":             testReopen,
		"reading after a position":           testReadAfter,
		"reading ends with the error":        testReadError,
		"appending while reading":            testAppendWithinRead,
		"invalid records":                    testInvalid,
		"idempotency":                        testIdempotency,
		"idempotency over reopening":         testIdempotencyReopen,
		"fifty with one key":                 testIdempotencyConcurrent,
		"an expired key":                     testIdempotencyExpired,
		"get":                                testGet,
		"search":                             testSearch,
		"search in pages":                    testSearchPages,
		"contexts that have ended":           testContext,
		"closing":                            testClose,
		"closing under load":                 testCloseUnderLoad,
		"many appenders and readers at once": testConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

const (
	issuer = "https://login.example.com"
	other  = "https://other.example.com"
)

// begin opens a ledger in a new directory and closes it with the test.
func begin(t *testing.T, open Open) ledger.Ledger {
	t.Helper()
	return openIn(t, open, t.TempDir())
}

func openIn(t *testing.T, open Open, dir string) ledger.Ledger {
	t.Helper()
	l := open(t, dir)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return l
}

// cut returns a record with a reason that tells it from others.
func cut(iss, sub, reason string) revocation.Record {
	return revocation.Record{
		Type:    revocation.Cut,
		Target:  revocation.Target{Issuer: iss, Subject: sub},
		Mode:    revocation.SignIn,
		At:      1_760_000_000_123,
		Through: 1_760_000_002,
		Source:  "admin",
		Reason:  reason,
		Time:    1_760_000_000_456,
	}
}

func key(name, request string, expires time.Time) ledger.Idempotency {
	i := ledger.Idempotency{Expires: expires}
	copy(i.Key[:], name)
	copy(i.Request[:], request)
	return i
}

func mustAppend(t *testing.T, l ledger.Ledger, records ...revocation.Record) revocation.Position {
	t.Helper()
	p, replayed, err := l.Append(t.Context(), records, ledger.Idempotency{})
	if err != nil || replayed {
		t.Fatalf("appending: replayed %t, %v", replayed, err)
	}
	return p
}

func read(t *testing.T, l ledger.Ledger, after revocation.Position) []revocation.Entry {
	t.Helper()
	var entries []revocation.Entry
	err := l.Read(t.Context(), after, func(e revocation.Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		t.Fatalf("reading after %s: %v", after, err)
	}
	return entries
}

// contiguous checks that entries of one epoch have no gaps.
func contiguous(t *testing.T, entries []revocation.Entry) {
	t.Helper()
	for i := 1; i < len(entries); i++ {
		want := entries[i-1].Position
		want.Sequence++
		if got := entries[i].Position; got != want {
			t.Fatalf("entry %d is at %s, want %s", i, got, want)
		}
	}
}

func testGenesis(t *testing.T, open Open) {
	l := begin(t, open)
	entries := read(t, l, revocation.Position{})
	if len(entries) == 0 || entries[0].Records[0].Type != revocation.Genesis {
		t.Fatalf("a new ledger has %v, want a genesis first", entries)
	}
	if p := entries[0].Position; p.Epoch == 0 || p.Sequence != 1 {
		t.Errorf("the genesis is at %s, want sequence 1 of an epoch above 0", p)
	}
	if err := l.Err(); err != nil {
		t.Errorf("a new ledger has the error %v", err)
	}
}

func testOrder(t *testing.T, open Open) {
	l := begin(t, open)
	start := l.Head()
	var want []revocation.Position
	for i := range 50 {
		p := mustAppend(t, l, cut(issuer, "alice", fmt.Sprint(i)))
		want = append(want, p)
		if got := l.Head().Position; got != p {
			t.Fatalf("after an append at %s the head is %s", p, got)
		}
	}
	if l.Head().Chain == start.Chain {
		t.Error("the chain didn't change")
	}
	entries := read(t, l, start.Position)
	contiguous(t, entries)
	if len(entries) != len(want) {
		t.Fatalf("read %d entries, want %d", len(entries), len(want))
	}
	for i, e := range entries {
		if e.Position != want[i] || e.Records[0].Reason != fmt.Sprint(i) {
			t.Fatalf("entry %d is %s with reason %q, want %s", i, e.Position, e.Records[0].Reason, want[i])
		}
	}
}

func testUnchanged(t *testing.T, open Open) {
	l := begin(t, open)
	records := []revocation.Record{
		cut(issuer, "alice", "lost phone"),
		{Type: revocation.Block, Target: revocation.Target{Issuer: issuer, Tenant: "t1"}, Source: "risc", RequestID: "r1"},
		{Type: revocation.StepUp, Target: revocation.Target{Issuer: issuer, Session: "s\x00/é"}, Through: 7, ACR: []string{"phr", "mfa"}, AMR: []string{"hwk"}, Sensitive: true},
		{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 2}, Item: 3}},
	}
	records[0].ExemptClients = []string{"a", "b"}
	records[0].Limits = []string{"no auth_time"}
	p := mustAppend(t, l, records...)
	entries := read(t, l, revocation.Position{})
	last := entries[len(entries)-1]
	if last.Position != p || !reflect.DeepEqual(last.Records, records) {
		t.Errorf("read %+v at %s,\nwant %+v at %s", last.Records, last.Position, records, p)
	}
}

func testReopen(t *testing.T, open Open) {
	dir := t.TempDir()
	l := open(t, dir)
	mustAppend(t, l, cut(issuer, "alice", "one"), cut(issuer, "bob", "two"))
	before, head := read(t, l, revocation.Position{}), l.Head()
	if err := l.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	l = openIn(t, open, dir)
	if got := l.Head(); got != head {
		t.Errorf("the head is %v after reopening, was %v", got, head)
	}
	if after := read(t, l, revocation.Position{}); !reflect.DeepEqual(after, before) {
		t.Errorf("read %v after reopening, was %v", after, before)
	}
	p := mustAppend(t, l, cut(issuer, "carol", "three"))
	if p.Epoch != head.Position.Epoch || p.Sequence != head.Position.Sequence+1 {
		t.Errorf("the first append after reopening is at %s, the head was %s", p, head.Position)
	}
}

func testReadAfter(t *testing.T, open Open) {
	l := begin(t, open)
	var positions []revocation.Position
	for i := range 5 {
		positions = append(positions, mustAppend(t, l, cut(issuer, "alice", fmt.Sprint(i))))
	}
	for i, p := range positions {
		if got := len(read(t, l, p)); got != len(positions)-1-i {
			t.Errorf("after %s come %d entries, want %d", p, got, len(positions)-1-i)
		}
	}
	ahead := l.Head().Position
	ahead.Sequence += 10
	if err := l.Read(t.Context(), ahead, func(revocation.Entry) error { return nil }); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("reading after a position that doesn't exist: %v, want ErrNotFound", err)
	}
}

func testReadError(t *testing.T, open Open) {
	l := begin(t, open)
	for range 5 {
		mustAppend(t, l, cut(issuer, "alice", ""))
	}
	stop, calls := errors.New("stop"), 0
	err := l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error {
		if calls++; calls == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || calls != 3 {
		t.Errorf("yield's error after 3 calls became %v after %d", err, calls)
	}
	if err := l.Err(); err != nil {
		t.Errorf("yield's error became the ledger's: %v", err)
	}
}

func testAppendWithinRead(t *testing.T, open Open) {
	l := begin(t, open)
	for range 3 {
		mustAppend(t, l, cut(issuer, "alice", "before"))
	}
	end := l.Head().Position
	err := l.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
		if e.Position.Compare(end) > 0 {
			t.Errorf("read %s, beyond the head of when reading began, %s", e.Position, end)
		}
		mustAppend(t, l, cut(issuer, "alice", "while"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testInvalid(t *testing.T, open Open) {
	l := begin(t, open)
	head := l.Head()
	negative := cut(issuer, "alice", "")
	negative.Time = -1
	for name, records := range map[string][]revocation.Record{
		"none":           nil,
		"no type":        {{}},
		"no target":      {{Type: revocation.Block}},
		"one of several": {cut(issuer, "alice", ""), {Type: revocation.Lift}},
		"negative time":  {negative},
	} {
		if _, _, err := l.Append(t.Context(), records, ledger.Idempotency{}); !errors.Is(err, revocation.ErrRecord) && !errors.Is(err, revocation.ErrTarget) {
			t.Errorf("%s: %v, want ErrRecord or ErrTarget", name, err)
		}
	}
	if l.Head() != head {
		t.Error("an invalid record was written")
	}
}

func testIdempotency(t *testing.T, open Open) {
	l := begin(t, open)
	soon := time.Now().Add(time.Hour)
	first, replayed, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "alice", "")}, key("k", "r", soon))
	if err != nil || replayed {
		t.Fatalf("first: replayed %t, %v", replayed, err)
	}
	again, replayed, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "alice", "")}, key("k", "r", soon))
	if err != nil || !replayed || again != first {
		t.Errorf("again: %s, replayed %t, %v; want %s, true", again, replayed, err, first)
	}
	if _, _, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "bob", "")}, key("k", "other", soon)); !errors.Is(err, ledger.ErrKeyReused) {
		t.Errorf("the key for another request: %v, want ErrKeyReused", err)
	}
	if p, replayed, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "alice", "")}, key("k2", "r", soon)); err != nil || replayed || p == first {
		t.Errorf("another key for the same request: %s, replayed %t, %v", p, replayed, err)
	}
	if got := len(read(t, l, first)); got != 1 {
		t.Errorf("%d entries after the first, want 1", got)
	}
}

func testIdempotencyReopen(t *testing.T, open Open) {
	dir := t.TempDir()
	l := open(t, dir)
	soon := time.Now().Add(time.Hour)
	records := []revocation.Record{cut(issuer, "alice", "")}
	first, _, err := l.Append(t.Context(), records, key("k", "r", soon))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openIn(t, open, dir)
	again, replayed, err := l.Append(t.Context(), records, key("k", "r", soon))
	if err != nil || !replayed || again != first {
		t.Errorf("after reopening: %s, replayed %t, %v; want %s, true", again, replayed, err, first)
	}
	if _, _, err := l.Append(t.Context(), records, key("k", "other", soon)); !errors.Is(err, ledger.ErrKeyReused) {
		t.Errorf("the key for another request after reopening: %v, want ErrKeyReused", err)
	}
}

func testIdempotencyConcurrent(t *testing.T, open Open) {
	l := begin(t, open)
	start, soon := l.Head().Position, time.Now().Add(time.Hour)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		wrote  int
		places = map[revocation.Position]bool{}
	)
	for range 50 {
		wg.Go(func() {
			p, replayed, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "alice", "")}, key("k", "r", soon))
			if err != nil {
				t.Errorf("appending: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			places[p] = true
			if !replayed {
				wrote++
			}
		})
	}
	wg.Wait()
	if got := len(read(t, l, start)); got != 1 || wrote != 1 || len(places) != 1 {
		t.Errorf("50 appends with one key: %d entries, %d writers, %d positions; want 1 each", got, wrote, len(places))
	}
}

func testIdempotencyExpired(t *testing.T, open Open) {
	l := begin(t, open)
	records := []revocation.Record{cut(issuer, "alice", "")}
	past := time.Now().Add(-time.Hour)
	first, _, err := l.Append(t.Context(), records, key("k", "r", past))
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := l.Append(t.Context(), records, key("k", "other", time.Now().Add(time.Hour)))
	if err != nil || replayed || again == first {
		t.Errorf("a key after its time: %s, replayed %t, %v; want a new entry", again, replayed, err)
	}
}

func testGet(t *testing.T, open Open) {
	l := begin(t, open)
	p := mustAppend(t, l, cut(issuer, "alice", "0"), cut(issuer, "bob", "1"))
	for item, sub := range []string{"alice", "bob"} {
		r, err := l.Get(t.Context(), revocation.Ref{Position: p, Item: uint16(item)})
		if err != nil || !reflect.DeepEqual(r, cut(issuer, sub, fmt.Sprint(item))) {
			t.Errorf("item %d: %+v, %v", item, r, err)
		}
	}
	beyond := p
	beyond.Sequence++
	for _, ref := range []revocation.Ref{{}, {Position: p, Item: 2}, {Position: beyond}, {Position: revocation.Position{Epoch: 99, Sequence: 1}}} {
		if _, err := l.Get(t.Context(), ref); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", ref, err)
		}
	}
}

func testSearch(t *testing.T, open Open) {
	l := begin(t, open)
	mustAppend(t, l, cut(issuer, "alice", "a1"), cut(issuer, "bob", "b1"))
	mustAppend(t, l, cut(other, "alice", "o1"))
	block := revocation.Record{Type: revocation.Block, Target: revocation.Target{Issuer: issuer, Subject: "alice"}, Reason: "a2"}
	blocked := mustAppend(t, l, block)
	mustAppend(t, l, revocation.Record{Type: revocation.Cut, Mode: revocation.SignIn, Through: 5, Target: revocation.Target{Issuer: issuer, Session: "s"}, Reason: "s1"})
	mustAppend(t, l, revocation.Record{Type: revocation.Lift, Lifts: revocation.Ref{Position: blocked}, Reason: "a3"})

	for name, c := range map[string]struct {
		page ledger.Page
		want []string
	}{
		"everything":             {ledger.Page{Types: []revocation.Type{revocation.Cut, revocation.Block, revocation.Lift}}, []string{"a3", "s1", "a2", "o1", "b1", "a1"}},
		"an account":             {ledger.Page{Issuer: issuer, Subject: "alice"}, []string{"a3", "a2", "a1"}},
		"the same sub elsewhere": {ledger.Page{Issuer: other, Subject: "alice"}, []string{"o1"}},
		"an issuer":              {ledger.Page{Issuer: issuer}, []string{"a3", "s1", "a2", "b1", "a1"}},
		"a sub of any issuer":    {ledger.Page{Subject: "alice"}, []string{"a3", "a2", "o1", "a1"}},
		"a type":                 {ledger.Page{Issuer: issuer, Subject: "alice", Types: []revocation.Type{revocation.Cut}}, []string{"a1"}},
		"a type of everybody":    {ledger.Page{Types: []revocation.Type{revocation.Block, revocation.Lift}}, []string{"a3", "a2"}},
		"nobody":                 {ledger.Page{Issuer: issuer, Subject: "mallory"}, nil},
		"no ambiguity":           {ledger.Page{Issuer: issuer + "a", Subject: "lice"}, nil},
		"the newest two":         {ledger.Page{Issuer: issuer, Limit: 2}, []string{"a3", "s1"}},
		"below a record":         {ledger.Page{Issuer: issuer, Subject: "alice", Before: revocation.Ref{Position: blocked}}, []string{"a1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.page.Limit == 0 {
				c.page.Limit = 100
			}
			found, err := l.Search(t.Context(), c.page)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, f.Record.Reason)
				if r, err := l.Get(t.Context(), f.Ref); err != nil || !reflect.DeepEqual(r, f.Record) {
					t.Errorf("%s was found as %+v, got as %+v, %v", f.Ref, f.Record, r, err)
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func testSearchPages(t *testing.T, open Open) {
	l := begin(t, open)
	const entries = 30
	for i := range entries {
		mustAppend(t, l, cut(issuer, "alice", fmt.Sprint(3*i)), cut(issuer, "alice", fmt.Sprint(3*i+1)), cut(issuer, "alice", fmt.Sprint(3*i+2)))
	}
	for _, page := range []ledger.Page{{Issuer: issuer, Subject: "alice"}, {Types: []revocation.Type{revocation.Cut}}} {
		for _, limit := range []int{1, 2, 7, 1000} {
			page.Limit, page.Before = limit, revocation.Ref{}
			next := 3*entries - 1
			for {
				found, err := l.Search(t.Context(), page)
				if err != nil {
					t.Fatal(err)
				}
				if len(found) > limit {
					t.Fatalf("found %d, the limit is %d", len(found), limit)
				}
				if len(found) == 0 {
					break
				}
				for _, f := range found {
					if f.Record.Reason != fmt.Sprint(next) {
						t.Fatalf("limit %d: found %s at %s, want %d", limit, f.Record.Reason, f.Ref, next)
					}
					page.Before = f.Ref
					next--
				}
			}
			if next != -1 {
				t.Errorf("limit %d: the pages ended before record %d", limit, next)
			}
		}
	}
}

func testContext(t *testing.T, open Open) {
	l := begin(t, open)
	head := l.Head()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	records := []revocation.Record{cut(issuer, "alice", "")}
	_, _, err := l.Append(ended, records, ledger.Idempotency{})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("appending: %v, want Canceled and ErrUnavailable", err)
	}
	if err := l.Read(ended, revocation.Position{}, func(revocation.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v, want Canceled", err)
	}
	if _, err := l.Search(ended, ledger.Page{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("searching: %v, want Canceled", err)
	}
	if _, err := l.Get(ended, revocation.Ref{Position: head.Position}); !errors.Is(err, context.Canceled) {
		t.Errorf("getting: %v, want Canceled", err)
	}
	if l.Head() != head {
		t.Error("an append whose context had ended was written")
	}

	// A deadline during an append has one of two answers.
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		_, _, err := l.Append(ctx, records, ledger.Idempotency{})
		cancel()
		if err != nil && !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrOutcomeUnknown) {
			t.Errorf("an append with a short deadline: %v", err)
		}
	}
	mustAppend(t, l, records...)
	contiguous(t, read(t, l, revocation.Position{}))
}

func testClose(t *testing.T, open Open) {
	l := open(t, t.TempDir())
	p := mustAppend(t, l, cut(issuer, "alice", ""))
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatalf("closing: %v", err)
		}
	}
	if _, _, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "alice", "")}, ledger.Idempotency{}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("appending after Close: %v, want ErrUnavailable", err)
	}
	if err := l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error { return nil }); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("reading after Close: %v, want ErrUnavailable", err)
	}
	if _, err := l.Search(t.Context(), ledger.Page{Limit: 1}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("searching after Close: %v, want ErrUnavailable", err)
	}
	if _, err := l.Get(t.Context(), revocation.Ref{Position: p}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("getting after Close: %v, want ErrUnavailable", err)
	}
	if l.Head().Position != p {
		t.Errorf("the head after Close is %s, want %s", l.Head().Position, p)
	}
}

func testCloseUnderLoad(t *testing.T, open Open) {
	dir := t.TempDir()
	l := open(t, dir)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		acked []revocation.Position
		ready = make(chan struct{}, 1)
	)
	for range 16 {
		wg.Go(func() {
			for {
				p, _, err := l.Append(t.Context(), []revocation.Record{cut(issuer, "alice", "")}, ledger.Idempotency{})
				if err != nil {
					if !errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("appending while closing: %v, want ErrUnavailable", err)
					}
					return
				}
				mu.Lock()
				acked = append(acked, p)
				if len(acked) == 100 {
					ready <- struct{}{}
				}
				mu.Unlock()
			}
		})
	}
	<-ready
	if err := l.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	wg.Wait()
	found := map[revocation.Position]bool{}
	for _, e := range read(t, openIn(t, open, dir), revocation.Position{}) {
		found[e.Position] = true
	}
	for _, p := range acked {
		if !found[p] {
			t.Errorf("%s was acknowledged and is not there", p)
		}
	}
}

func testConcurrent(t *testing.T, open Open) {
	l := begin(t, open)
	const writers, each = 16, 25
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					contiguous(t, read(t, l, revocation.Position{}))
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			var last revocation.Position
			for i := range each {
				p, _, err := l.Append(t.Context(), []revocation.Record{cut(issuer, fmt.Sprint("user", w), fmt.Sprint(i))}, ledger.Idempotency{})
				if err != nil || p.Compare(last) <= 0 {
					t.Errorf("append %d of writer %d is at %s after %s: %v", i, w, p, last, err)
				}
				if h := l.Head().Position; h.Compare(p) < 0 {
					t.Errorf("acknowledged at %s, the head is %s", p, h)
				}
				last = p
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	entries := read(t, l, revocation.Position{})
	contiguous(t, entries)
	seen := map[string]int{}
	for _, e := range entries {
		for _, r := range e.Records {
			if r.Type != revocation.Cut {
				continue
			}
			if r.Reason != fmt.Sprint(seen[r.Target.Subject]) {
				t.Errorf("%s: record %s comes as number %d", r.Target.Subject, r.Reason, seen[r.Target.Subject])
			}
			seen[r.Target.Subject]++
		}
	}
	for w := range writers {
		if n := seen[fmt.Sprint("user", w)]; n != each {
			t.Errorf("user%d has %d records, want %d", w, n, each)
		}
	}
}
