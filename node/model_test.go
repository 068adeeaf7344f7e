package node_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// world is a node through restarts, crashes and clock jumps, beside everything
// that it ever acknowledged.
type world struct {
	dir, witness string
	now          time.Time
	node         *node.Node

	acked  revocation.Index // never expires anything
	head   revocation.Position
	blocks []revocation.Ref
	keys   map[ledger.Idempotency]revocation.Position
	jumped bool // since the index was built
}

var began = time.Unix(1_760_000_000, 0)

func (w *world) open(t *rapid.T) {
	w.node = node.New(node.Config{
		Name: "edge-1", Instance: "model", Now: func() time.Time { return w.now },
		Open: func() (ledger.Ledger, error) {
			return local.Open(local.Options{Dir: w.dir, Witness: w.witness, OnEmpty: local.Start, Now: func() time.Time { return w.now }})
		},
	})
	if err := w.node.Start(); err != nil {
		t.Fatal(err)
	}
	for ready := w.node.Changes(); w.node.State() != node.Ready; ready = w.node.Changes() {
		if w.node.State() == node.Damaged {
			t.Fatal(w.node.Why())
		}
		select {
		case <-ready:
		case <-time.After(time.Millisecond):
		}
	}
	w.jumped = w.now.Sub(began) > 24*time.Hour
}

func (w *world) close(t *rapid.T) {
	if err := w.node.Close(); err != nil {
		t.Fatal(err)
	}
}

var subjects = rapid.SampledFrom([]string{"alice", "bob", "carol"})

func (w *world) record(t *rapid.T) revocation.Record {
	at := w.now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "age")) * time.Hour)
	r := revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: issuer, Subject: subjects.Draw(t, "subject")}, Mode: revocation.SignIn,
		At: at.UnixMilli(), Through: at.Unix(), Time: w.now.UnixMilli(), Source: "admin", Keep: 90 * 24 * 3600,
	}
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		r.Mode, r.Keep = revocation.Refresh, 28*3600
	case 1:
		r = revocation.Record{Type: revocation.Block, Target: r.Target, Time: r.Time, Source: "admin"}
	case 2:
		r.Target.Client = "web"
	}
	return r
}

func (w *world) submit(t *rapid.T, records []revocation.Record, key ledger.Idempotency) {
	got, err := w.node.Submit(context.Background(), records, key)
	if err != nil || got.Replayed {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Position.Compare(w.head) <= 0 {
		t.Fatalf("%s was acknowledged after %s", got.Position, w.head)
	}
	w.head = got.Position
	w.acked.Apply(revocation.Entry{Position: got.Position, Records: records})
	for i := range records {
		if records[i].Type == revocation.Block {
			w.blocks = append(w.blocks, revocation.Ref{Position: got.Position, Item: uint16(i)})
		}
	}
	if !key.IsZero() {
		w.keys[key] = got.Position
	}
}

func (w *world) write(t *rapid.T) {
	var records []revocation.Record
	for range rapid.IntRange(1, 4).Draw(t, "records") {
		records = append(records, w.record(t))
	}
	var key ledger.Idempotency
	if rapid.Bool().Draw(t, "keyed") {
		key = ledger.Idempotency{Key: [32]byte{1, byte(len(w.keys))}, Request: [32]byte{2}, Expires: w.now.Add(10 * 365 * 24 * time.Hour)}
	}
	w.submit(t, records, key)
}

func (w *world) lift(t *rapid.T) {
	if len(w.blocks) == 0 {
		t.Skip("nothing to lift")
	}
	ref := rapid.SampledFrom(w.blocks).Draw(t, "block")
	w.submit(t, []revocation.Record{{Type: revocation.Lift, Lifts: ref, Time: w.now.UnixMilli(), Source: "admin"}}, ledger.Idempotency{})
}

func (w *world) repeat(t *rapid.T) {
	for key, first := range w.keys {
		got, err := w.node.Submit(context.Background(), []revocation.Record{w.record(t)}, key)
		if err != nil || !got.Replayed || got.Position != first {
			t.Fatalf("again: %+v, %v; the first was %s", got, err, first)
		}
	}
}

// check holds every kind of credential to what was acknowledged: whoever it
// refuses is refused, and nobody else, unless a clock was wrong.
func (w *world) check(t *rapid.T) {
	for _, subject := range []string{"alice", "bob", "carol", "dave"} {
		for _, age := range []time.Duration{-time.Second, 0, 3 * time.Hour, 50 * time.Hour, 101 * time.Hour} {
			at := began.Add(-age).Unix()
			for _, c := range []revocation.Credential{{AuthTime: at, IssuedAt: began.Unix()}, {IssuedAt: at}, {IssuedAt: at, Client: "web"}} {
				c.Issuer, c.Subject = issuer, subject
				c.Seal()
				want, got := refused(&w.acked, &c), refused(w.node.Index(), &c)
				lives := began.Unix()-c.IssuedAt < 28*3600
				if want && !got || got && !want && lives && !w.jumped {
					t.Fatalf("%+v is refused: %t, want %t", c, got, want)
				}
			}
		}
	}
	if applied := w.node.Applied(); applied.Compare(w.head) < 0 {
		t.Fatalf("%s was acknowledged, %s is applied", w.head, applied)
	}
}

func refused(x *revocation.Index, c *revocation.Credential) bool {
	var f revocation.Finding
	x.Find(c, &f)
	at := c.AuthTime
	if at == 0 {
		at = c.IssuedAt
	}
	return f.Blocked || f.Finally || at <= f.SignIn.Through || c.IssuedAt <= f.Refresh.Through
}

// Whatever happens to a node, in whatever order: what it acknowledged it
// enforces, what it lifted it does not, and a key finds its first entry.
func TestNothingAcknowledgedIsForgotten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fresh := func() string {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			if err != nil {
				rt.Fatal(err)
			}
			return dir
		}
		w := &world{dir: fresh(), witness: filepath.Join(fresh(), "witness"), now: began, keys: make(map[ledger.Idempotency]revocation.Position)}
		w.open(rt)
		defer func() { _ = w.node.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check, "write": w.write, "write more": w.write, "lift": w.lift, "repeat": w.repeat,
			"restart": func(t *rapid.T) { w.close(t); w.open(t) },
			"crash": func(t *rapid.T) { // what is on the disk at this moment, without a goodbye
				left := fresh()
				for _, name := range []string{"ledger.db", "position"} {
					b, err := os.ReadFile(filepath.Join(w.dir, name))
					if err == nil {
						err = os.WriteFile(filepath.Join(left, name), b, 0o600)
					}
					if err != nil {
						t.Fatal(fmt.Errorf("crashing: %w", err))
					}
				}
				w.close(t)
				w.dir = left
				w.open(t)
			},
			"expire": func(*rapid.T) {
				w.node.Index().Expire(w.now.Unix())
				w.jumped = w.jumped || w.now.Sub(began) > 24*time.Hour
			},
			"jump": func(t *rapid.T) {
				w.now = began.Add(time.Duration(rapid.IntRange(-400, 400).Draw(t, "days")) * 24 * time.Hour)
			},
			"back": func(*rapid.T) { w.now = began },
		})
	})
}
