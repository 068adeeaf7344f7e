package nats

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// counter is a node's fold with a replica and without a stream.
type counter struct {
	fold
	replica *replica
	t       *testing.T
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	o := Options{Dir: t.TempDir()}.withDefaults()
	r, err := openReplica(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.close(o) })
	return &counter{fold: fold{mark: r.begun, remembered: r.remembered}, replica: r, t: t}
}

func (r *counter) take(m message) step {
	r.t.Helper()
	s, err := r.next(&m)
	if err != nil {
		r.t.Fatal(err)
	}
	r.replica.add(s.entries, r.mark, m.stamp)
	return s
}

func begins(epoch uint64) []byte {
	g := genesis{Epoch: epoch, Records: revocation.AppendRecords(nil, []revocation.Record{{Type: revocation.Genesis, Time: 1}})}
	return g.encode()
}

func withKey(expires time.Time) []byte {
	b := batch{Writer: "a/1", Number: 1, Entries: []entry{{
		Key:     ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: expires},
		Records: revocation.AppendRecords(nil, []revocation.Record{{Type: revocation.Lift, Lifts: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}}}),
	}}}
	return b.encode()
}

// The effect of a key must not depend on when a node wrote its replica, nor on a
// leader's clock. Nodes that count keys differently get different positions, and
// then each other's ticks stop them all.
func TestKeysCountAlikeWheneverTheReplicaIsWritten(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	expires := begin.Add(time.Hour)
	for name, stream := range map[string][]message{
		"used again in the next epoch": {
			{kind: kindGenesis, data: begins(1)},
			{kind: kindEntry, data: withKey(expires)},
			{kind: kindGenesis, data: begins(2)},
			{kind: kindEntry, data: withKey(expires)},
			{kind: kindEntry, data: withKey(expires)},
		},
		"stamps go back when it expires": {
			{kind: kindGenesis, data: begins(1)},
			{kind: kindEntry, data: withKey(expires)},
			{kind: kindTrim, data: []byte("\x01{}"), stamp: expires.Add(time.Second)},
			{kind: kindEntry, data: withKey(expires.Add(time.Hour)), stamp: expires.Add(-time.Second)},
			{kind: kindEntry, data: withKey(expires.Add(time.Hour)), stamp: expires.Add(2 * time.Second)},
			{kind: kindTrim, data: []byte("\x01{}"), stamp: expires.Add(-time.Second)},
			{kind: kindEntry, data: withKey(expires.Add(2 * time.Hour)), stamp: expires.Add(3 * time.Second)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			often, never := newCounter(t), newCounter(t)
			for i, m := range stream {
				m.sequence = uint64(i) + 1
				if m.stamp.IsZero() {
					m.stamp = begin
				}
				often.take(m)
				never.take(m)
				if err := often.replica.flush(); err != nil {
					t.Fatal(err)
				}
				if often.Head != never.Head {
					t.Fatalf("after message %d one is at %s, the other at %s", m.sequence, often.Head.Position, never.Head.Position)
				}
			}
		})
	}
}

// An unreadable replica can't find keys, so an entry with a key can't be folded.
func TestAKeyIsNotNewBecauseTheReplicaCannotBeRead(t *testing.T) {
	r := newCounter(t)
	stamp := time.Unix(1_800_000_000, 0)
	r.take(message{kind: kindGenesis, data: begins(1), sequence: 1, stamp: stamp})
	r.take(message{kind: kindEntry, data: withKey(stamp.Add(time.Hour)), sequence: 2, stamp: stamp})
	if err := r.replica.flush(); err != nil {
		t.Fatal(err)
	}
	if err := r.replica.Close(); err != nil {
		t.Fatal(err)
	}
	before := r.Head
	s, err := r.next(&message{kind: kindEntry, data: withKey(stamp.Add(time.Hour)), sequence: 3, stamp: stamp})
	if !errors.Is(err, ledger.ErrUnavailable) || r.Head != before {
		t.Fatalf("%+v, %v: from %s to %s", s.outcomes, err, before.Position, r.Head.Position)
	}
}

// A node that has not read a new epoch's genesis ticks with its head of the old
// epoch. That head may differ from other nodes', because the new epoch was begun
// for that reason.
func TestATickOfAnEarlierEpochAccusesNobody(t *testing.T) {
	r := newCounter(t)
	r.take(message{kind: kindGenesis, data: begins(1), sequence: 1})
	r.take(message{kind: kindEntry, data: withKey(time.Unix(1, 0)), sequence: 2})
	read := r.Head
	r.take(message{kind: kindGenesis, data: begins(2), sequence: 3})
	read.Chain[0]++
	data, err := appendJSON(&tick{Tick: ledger.Tick{By: "late/1"}, Followed: 2, Head: read})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.next(&message{kind: kindTick, data: data, sequence: 4}); err != nil {
		t.Error(err)
	}
}

// A replica that a newer build wrote is not damaged. An older build must leave it
// alone, because it may have entries that the stream has no more.
func TestAReplicaOfANewerBuildStaysWhereItIs(t *testing.T) {
	o := Options{Dir: t.TempDir()}.withDefaults()
	r, err := openReplica(o)
	if err == nil {
		err = r.close(o)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(o.Dir, "ledger.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("head")).Put([]byte("mark"), []byte{9, 1}) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := openReplica(o); !errors.Is(err, revocation.ErrNewer) {
		if err == nil {
			_ = r.close(o)
		}
		t.Errorf("opening it: %v, want to be told to upgrade", err)
	}
	if after, err := os.ReadDir(o.Dir); err != nil || len(after) != len(before) {
		t.Errorf("there are %v, were %v", after, before)
	}
}
