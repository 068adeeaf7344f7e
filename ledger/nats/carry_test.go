package nats

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/revocation/revocationtest"
)

// fleet is a log of a cluster, with trims and repairs, and the nodes that follow
// it. Each operation ends when every present node has followed.
type fleet struct {
	now    int64
	head   revocation.Position
	log    []revocation.Entry  // the entries of this epoch in the stream
	cut    revocation.Position // of the last trim, zero in an epoch without one
	nodes  []*member
	probes []*revocation.Credential
}

// member is a node: its replica and its index.
type member struct {
	name    string
	replica []revocation.Entry
	index   *revocation.Index
	away    bool
	owes    bool // its replica was not yet written into a new epoch
}

func (f *fleet) append(records ...revocation.Record) {
	f.head.Sequence++
	e := revocation.Entry{Position: f.head, Records: records}
	f.log = append(f.log, e)
	for _, m := range f.nodes {
		if !m.away {
			m.take(e)
		}
	}
}

func (m *member) take(entries ...revocation.Entry) {
	m.replica = append(m.replica, entries...)
	for _, e := range entries {
		m.index.Apply(e)
	}
}

// restart is a new process with the same replica.
func (m *member) restart() {
	entries := m.replica
	m.replica, m.index = nil, new(revocation.Index)
	m.take(entries...)
}

func (f *fleet) join() *member {
	m := &member{name: fmt.Sprint("node-", len(f.nodes)+1), index: new(revocation.Index)}
	m.take(f.log...)
	return m
}

// carries prepares to write a node's records again by a node's clock. No clock is
// ahead of the stream's stamps.
func (f *fleet) carries(t *rapid.T, m *member) *carrying {
	return &carrying{
		log: func(yield func(revocation.Entry) error) error {
			for _, e := range slices.Clone(m.replica) {
				if err := yield(e); err != nil {
					return err
				}
			}
			return nil
		},
		write: func(r revocation.Record) error { f.append(r); return nil },
		now:   time.Unix(f.now-rapid.Int64Range(0, 2).Draw(t, "behind"), 0), actor: m.name,
	}
}

func (f *fleet) present(t *rapid.T) *member {
	var there []*member
	for _, m := range f.nodes {
		if !m.away {
			there = append(there, m)
		}
	}
	return there[rapid.IntRange(0, len(there)-1).Draw(t, "node")]
}

func (f *fleet) write(t *rapid.T) {
	records := make([]revocation.Record, rapid.IntRange(1, 2).Draw(t, "records"))
	for i := range records {
		if records[i] = revocationtest.Record(t); records[i].Type == revocation.Lift {
			records[i].Lifts.Epoch = rapid.Uint64Range(1, f.head.Epoch).Draw(t, "lifts epoch")
		}
	}
	f.append(records...)
}

// everybody draws a cut of a whole issuer, because few drawn records are one. It may
// expire and may have exempt clients.
func (f *fleet) everybody(t *rapid.T) {
	through := f.now - rapid.Int64Range(0, 3).Draw(t, "ago")
	f.append(revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: "i"}, At: through * 1000, Through: through, Time: f.now * 1000,
		Mode: rapid.SampledFrom([]revocation.Mode{revocation.SignIn, revocation.Refresh}).Draw(t, "mode"),
		Keep: rapid.SampledFrom([]int64{0, 2, 5}).Draw(t, "keep"), ExemptClients: rapid.SampledFrom([][]string{nil, {"console"}}).Draw(t, "exempt"),
	})
}

func (f *fleet) trim(t *rapid.T) {
	if len(f.log) == 0 {
		t.Skip("nothing to trim")
	}
	last := rapid.IntRange(0, len(f.log)-1).Draw(t, "last that goes")
	through := f.log[last].Position
	if err := f.carries(t, f.present(t)).trim(f.cut, through); err != nil {
		t.Fatal(err)
	}
	f.log, f.cut = f.log[last+1:], through
}

// repair begins a new epoch. A node that joins reads from its genesis and ignores
// older messages in the stream.
func (f *fleet) repair(t *rapid.T) {
	f.head = revocation.Position{Epoch: f.head.Epoch + 1}
	f.cut = revocation.Position{}
	for _, m := range f.nodes {
		m.owes = true
	}
	genesis := revocation.Record{Type: revocation.Genesis, Source: "genesis", Time: f.now * 1000}
	if rapid.Bool().Draw(t, "sign everybody out") {
		genesis.Through = f.now - revocationtest.Span/2
	}
	f.log = nil
	f.append(genesis)
	for _, m := range rapid.Permutation(f.nodes).Draw(t, "order") {
		f.contribute(t, m)
	}
}

func (f *fleet) contribute(t *rapid.T, m *member) {
	if m.away || !m.owes {
		return
	}
	if err := f.carries(t, m).restate(f.head.Epoch); err != nil {
		t.Fatal(err)
	}
	m.owes = false
}

// comeBack continues to follow. If the next message was trimmed, it begins with a
// new replica.
func (f *fleet) comeBack(t *rapid.T, m *member) {
	var had revocation.Position
	if len(m.replica) > 0 {
		had = m.replica[len(m.replica)-1].Position
	}
	next := slices.IndexFunc(f.log, func(e revocation.Entry) bool { return e.Position.Compare(had) > 0 })
	m.away = false
	switch {
	case next < 0:
	case had.Epoch == f.head.Epoch && f.log[next].Position.Sequence != had.Sequence+1, had.Epoch < f.head.Epoch && f.log[next].Position.Sequence != 1:
		m.replica, m.index, m.owes = nil, new(revocation.Index), false
		m.take(f.log...)
	default:
		m.take(f.log[next:]...)
	}
	f.contribute(t, m)
}

// alike compares every node, and one that joins now, with the first. All must refuse
// the same credentials, by the same records and horizons.
func (f *fleet) alike(t *rapid.T) {
	fresh := f.join()
	at := f.now + rapid.Int64Range(-2*revocationtest.Span, revocationtest.Span).Draw(t, "tick") // ticks are compared by any clock
	var first *member
	for _, m := range append(slices.Clone(f.nodes), fresh) {
		if m.away {
			continue
		}
		m.index.Expire(f.now)
		if first == nil {
			first = m
			continue
		}
		if was, is := first.index.Horizons(at), m.index.Horizons(at); was.Digest() != is.Digest() {
			t.Fatalf("at %d\n%s has %v\n%s has %v", at, first.name, was, m.name, is)
		}
		for _, c := range f.probes {
			was, is := find(first.index, c), find(m.index, c)
			if !reflect.DeepEqual(was, is) {
				t.Fatalf("%+v\n%s finds %+v\n%s finds %+v", c, first.name, was, m.name, is)
			}
		}
	}
}

func find(x *revocation.Index, c *revocation.Credential) (f revocation.Finding) {
	if x.Find(c, &f); len(f.StepUps) == 0 {
		f.StepUps = nil
	}
	return f
}

// everyCredential returns credentials of each kind. They have every combination of
// facts that a record can match, and of instants at the edges of the drawn ones.
func everyCredential() (all []*revocation.Credential) {
	for _, c := range []revocation.Credential{
		{Issuer: "i", Subject: "a"},
		{Issuer: "i", Subject: "b", Client: "web"},
		{Issuer: "j", Subject: "a", Client: "console"},
		{Issuer: "i", Subject: "a", Client: "console", Device: "d", Session: "s"},
		{Issuer: "j", Subject: "b", Client: "web", Device: "d", Tenant: "t", KeyID: "k"},
		{Issuer: "i", Subject: "b", TokenID: "n", KeyID: "l"},
		{Issuer: "j", Subject: "b", JKT: "p", X5TS256: "x", TokenID: "n"},
		{Issuer: "elsewhere", Subject: "a", JKT: "p"},
	} {
		c.IssuedAt = revocationtest.Start // findings don't depend on instants
		c.Seal()
		all = append(all, &c)
	}
	return all
}

// A node that joins now, one that comes back and one that restarts refuse the same
// credentials as the nodes that never left. This holds for every history of trims
// and repairs, horizons included.
func TestANewcomersIndexIsThatOfWhoWasThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &fleet{now: revocationtest.Start, head: revocation.Position{Epoch: 1}, probes: everyCredential()}
		f.nodes = []*member{f.join()}
		f.append(revocation.Record{Type: revocation.Genesis, Source: "genesis", Time: 1})
		t.Repeat(map[string]func(*rapid.T){
			"":           f.alike,
			"write":      f.write,
			"write more": f.write,
			"everybody":  f.everybody,
			"time":       func(t *rapid.T) { f.now += rapid.Int64Range(1, 6).Draw(t, "seconds") },
			"trim":       f.trim,
			"repair":     f.repair,
			"join": func(t *rapid.T) {
				if len(f.nodes) == 5 {
					t.Skip("enough")
				}
				f.nodes = append(f.nodes, f.join())
			},
			"restart": func(t *rapid.T) { f.present(t).restart() },
			"expire": func(t *rapid.T) {
				f.present(t).index.Expire(f.now - rapid.Int64Range(0, 3).Draw(t, "clock behind"))
			},
			"go away": func(t *rapid.T) {
				if m := f.present(t); m != f.nodes[0] {
					m.away = true
				}
			},
			"come back": func(t *rapid.T) {
				for _, m := range f.nodes {
					if m.away {
						f.comeBack(t, m)
						return
					}
				}
			},
		})
	})
}
