package nats_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/ledger/nats/natstest"
	"curfew.dev/curfew/revocation"
)

// A message that can't be read is never skipped. The error names the build that can
// read it (F-21, F-23).
func TestUnreadableMessages(t *testing.T) {
	for name, tt := range map[string]struct {
		subject, data, why string
	}{
		"garbage":          {"entry", "\x01\xff\xff", "malformed"},
		"json":             {"entry", `{"sub":"alice"}`, "newer Curfew"},
		"a newer message":  {"entry", "\x02anything", "newer Curfew"},
		"newer records":    {"entry", "\x01\x01w\x01\x01\x00\x02\x09\x09", "newer Curfew"},
		"an unknown kind":  {"other", "\x01", "subject"},
		"a megabyte":       {"entry", "\x01" + strings.Repeat("x", 1<<20-2), "malformed"},
		"nothing":          {"entry", "", "empty"},
		"a tick of no use": {"tick", "\x01{", "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Run(t, 1)
			a := join(t, fleetOptions(t, c, "a"))
			a.write("good")
			if _, err := raw(t, c).Publish(t.Context(), "CURFEW.log."+tt.subject, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
			a.breaks(tt.why)
			// Opening the ledger again fails too, and does not crash.
			a.leave()
			again := join(t, a.options)
			again.breaks(tt.why)
			again.leave()
			if !slices.Contains(replicaOf(t, a.options.Dir), "good") {
				t.Error("what was good is gone")
			}
		})
	}
}

// A stream that was lost, or that an empty node began anew, is not taken for the
// ledger. Adopting it writes every record into a new epoch.
func TestLostStream(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	b := join(t, fleetOptions(t, c, "b"))
	a.write("one")
	last := b.write("two")
	a.reaches(last)
	a.leave()
	b.leave()
	if err := raw(t, c).DeleteStream(t.Context(), "CURFEW"); err != nil {
		t.Fatal(err)
	}
	a, b = join(t, a.options), join(t, b.options)
	a.breaks("missing or empty")
	b.breaks("missing or empty")

	// A newcomer begins a first epoch: the others still refuse it.
	fresh := join(t, fleetOptions(t, c, "fresh"))
	following(t, fresh.Ledger)
	fresh.write("three")
	a.leave()
	a = join(t, a.options)
	until(t, "a node's ticks tell it", func() bool { return a.tick() != nil && a.Err() != nil })
	a.breaks("tail was lost")
	fresh.breaks("tail was lost") // as on the other nodes

	a.leave()
	b.leave()
	fresh.leave()
	mark(t, a, nats.MarkerAdopt)
	a = join(t, a.options)
	a.reaches(revocation.Position{Epoch: 2, Sequence: 1})
	b, fresh = join(t, b.options), join(t, fresh.options)
	epoch := revocation.Position{Epoch: 2, Sequence: 1}
	a.reaches(epoch)
	b.reaches(epoch)
	fresh.reaches(epoch)
	until(t, "everybody has everything", func() bool {
		for _, e := range []*edge{a, b, fresh} {
			for _, want := range []string{"one", "two", "three"} {
				if e.Err() != nil {
					t.Fatal(e.Err())
				}
				if !slices.Contains(e.reasons(), want) {
					return false
				}
			}
		}
		return true
	})
	until(t, "it is found under the name that it had", func() bool {
		found, err := fresh.Search(t.Context(), ledger.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(found, func(l ledger.Located) bool { return l.Ref.Position == last && l.Record.Reason == "two" })
	})
	newcomer := join(t, fleetOptions(t, c, "newcomer"))
	until(t, "who joins later has all of it too", func() bool {
		got := newcomer.reasons()
		return slices.Contains(got, "one") && slices.Contains(got, "two") && slices.Contains(got, "three")
	})
	newcomer.gets(last)
	if fresh.Err() != nil || newcomer.Err() != nil {
		t.Error(fresh.Err(), newcomer.Err())
	}
}

// If the whole stream is lost, the nodes have its records.
func TestAdoptWhatIsLeft(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	last := a.write("one")
	a.leave()
	if err := raw(t, c).DeleteStream(t.Context(), "CURFEW"); err != nil {
		t.Fatal(err)
	}
	mark(t, a, nats.MarkerAdopt)
	a = join(t, a.options)
	a.reaches(revocation.Position{Epoch: 2, Sequence: 2})
	fresh := join(t, fleetOptions(t, c, "fresh"))
	until(t, "a newcomer has it", func() bool { return slices.Contains(fresh.reasons(), "one") })
	fresh.gets(last)
}

// gets waits until a record can be read by its first ref, which is a moment after
// the follower got it.
func (e *edge) gets(first revocation.Position) {
	e.t.Helper()
	until(e.t, fmt.Sprintf("%s has %s", e.options.Node, first), func() bool {
		_, err := e.Get(e.t.Context(), revocation.Ref{Position: first})
		return err == nil
	})
}

// A stream that lost its tail assigns the same sequences again. A node that had
// read the tail notices when it writes. All nodes notice when it ticks.
func TestLostTail(t *testing.T) {
	for name, notice := range map[string]func(*testing.T, *edge, jetstream.JetStream){
		"by its own write": func(t *testing.T, e *edge, _ jetstream.JetStream) {
			_, _, _ = e.Append(t.Context(), []revocation.Record{cut("alice", "x")}, ledger.Idempotency{})
		},
		"by its own tick": func(_ *testing.T, e *edge, _ jetstream.JetStream) { _ = e.tick() },
	} {
		t.Run(name, func(t *testing.T) {
			c := natstest.Run(t, 1)
			a := join(t, fleetOptions(t, c, "a"))
			for _, reason := range []string{"one", "two", "three", "four"} {
				a.write(reason)
			}
			js := raw(t, c)
			loseTail(t, c, js, 3)
			until(t, "it is noticed", func() bool { notice(t, a, js); return a.Err() != nil })
			a.breaks("tail was lost")
		})
	}
	t.Run("after a restart", func(t *testing.T) {
		c := natstest.Run(t, 1)
		a := join(t, fleetOptions(t, c, "a"))
		for _, reason := range []string{"one", "two", "three", "four"} {
			a.write(reason)
		}
		a.leave()
		js := raw(t, c)
		loseTail(t, c, js, 3)
		b := join(t, fleetOptions(t, c, "b"))
		for _, reason := range []string{"five", "six", "seven"} {
			b.write(reason)
		}
		a = join(t, a.options)
		a.breaks("another stream")
	})
}

// loseTail removes all but keep messages from the stream. The stream assigns their
// sequences again, as after damage.
func loseTail(t *testing.T, c *natstest.Cluster, js jetstream.JetStream, keep uint64) {
	t.Helper()
	s, err := js.Stream(t.Context(), "CURFEW")
	if err != nil {
		t.Fatal(err)
	}
	var kept []*jetstream.RawStreamMsg
	for n := uint64(1); n <= keep; n++ {
		m, err := s.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, m)
	}
	config := s.CachedInfo().Config
	if err := js.DeleteStream(t.Context(), "CURFEW"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for _, m := range kept {
		if _, err := js.Publish(t.Context(), m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// Two nodes that read different messages notice it by their ticks.
func TestDifferentChains(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	a.write("one")
	js := raw(t, c)
	if _, err := js.Publish(t.Context(), "CURFEW.log.tick", []byte("\x01"+
		`{"by":"b/1","echoes":[],"head":"1.2:`+strings.Repeat("00", 32)+`"}`)); err != nil {
		t.Fatal(err)
	}
	a.breaks("read something else")
}

// A node that must not begin a ledger waits.
func TestRefuse(t *testing.T) {
	c := natstest.Run(t, 1)
	o := fleetOptions(t, c, "a")
	o.OnEmpty = local.Refuse
	a := join(t, o)
	until(t, "it says so", func() bool {
		p := a.Connection().Problem
		return p != nil && strings.Contains(p.Error(), "caddy curfew init")
	})
	mark(t, a, nats.MarkerInit)
	following(t, a.Ledger)
	a.write("one")
}

// A damaged replica is read anew and must reach the old one's head.
func TestDamagedReplica(t *testing.T) {
	c := natstest.Run(t, 1)
	a := join(t, fleetOptions(t, c, "a"))
	last := a.write("one")
	a.leave()
	damage(t, a.options.Dir)
	a = join(t, a.options)
	a.reaches(last)
	until(t, "the follower was told", func() bool { return slices.Contains(a.reasons(), "one") })
}

func damage(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "ledger.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// replicaOf returns the entries of a closed replica.
func replicaOf(t *testing.T, dir string) (reasons []string) {
	t.Helper()
	r, err := local.OpenReplica(local.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
		for i := range e.Records {
			reasons = append(reasons, e.Records[i].Reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return reasons
}
