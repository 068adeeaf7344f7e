package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/internal/seedtest"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/revocation"
)

func mustOpenReplica(t testing.TB, dir string) *local.Replica {
	t.Helper()
	r, err := local.OpenReplica(local.Options{Dir: dir})
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func at(epoch, sequence uint64) revocation.Position {
	return revocation.Position{Epoch: epoch, Sequence: sequence}
}

func refAt(p revocation.Position, item uint16) revocation.Ref {
	return revocation.Ref{Position: p, Item: item}
}

func copied(p revocation.Position, records ...revocation.Record) local.Copy {
	return local.Copy{Position: p, Records: records}
}

// from returns a record that was first written under another ref.
func from(origin revocation.Ref, r revocation.Record) revocation.Record {
	r.Origin = origin
	return r
}

func mustCommit(t testing.TB, r *local.Replica, copies ...local.Copy) {
	t.Helper()
	if err := r.Commit(copies, []byte("mark")); err != nil {
		t.Fatalf("committing: %v", err)
	}
}

// everything returns all entries of a replica.
func everything(t testing.TB, r *local.Replica) (entries []revocation.Entry) {
	t.Helper()
	err := r.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	return entries
}

func TestReplicaBeginsEmpty(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		r := mustOpenReplica(t, dir)
		if h := r.Head(); h != (ledger.Head{}) || r.Mark() != nil || r.Err() != nil || len(everything(t, r)) != 0 {
			t.Errorf("head %v, mark %q, %v", h, r.Mark(), r.Err())
		}
		if found, err := r.Search(t.Context(), ledger.Page{}); err != nil || len(found) != 0 {
			t.Errorf("found %v, %v", found, err)
		}
		if _, err := r.Get(t.Context(), refAt(at(1, 1), 0)); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("getting: %v", err)
		}
		if err := r.Read(t.Context(), at(1, 1), nil); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("reading on from what isn't there: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReplicaFollows(t *testing.T) {
	for name, tt := range map[string]struct {
		positions []revocation.Position
		ok        bool
	}{
		"from the first":        {[]revocation.Position{at(1, 1), at(1, 2), at(1, 3)}, true},
		"from anywhere":         {[]revocation.Position{at(3, 17), at(3, 18)}, true},
		"next epoch":            {[]revocation.Position{at(3, 17), at(4, 1), at(4, 2)}, true},
		"a later epoch":         {[]revocation.Position{at(3, 17), at(9, 1)}, true},
		"a gap":                 {[]revocation.Position{at(1, 1), at(1, 3)}, false},
		"a gap between commits": {[]revocation.Position{at(1, 1), at(1, 2), at(1, 4)}, false},
		"a later epoch's later": {[]revocation.Position{at(1, 1), at(2, 2)}, false},
		"an earlier epoch":      {[]revocation.Position{at(2, 1), at(1, 1)}, false},
		"no sequence":           {[]revocation.Position{at(2, 0)}, false},
		"no position":           {[]revocation.Position{{}}, false},
		"an epoch too late":     {[]revocation.Position{at(revocation.MaxEpoch+1, 1)}, false},
	} {
		for _, each := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, one by one %t", name, each), func(t *testing.T) {
				dir := t.TempDir()
				r := mustOpenReplica(t, dir)
				var copies []local.Copy
				for i, p := range tt.positions {
					copies = append(copies, copied(p, record(fmt.Sprint(i))))
				}
				var err error
				if each {
					for _, c := range copies {
						err = errors.Join(err, r.Commit([]local.Copy{c}, nil))
					}
				} else {
					err = r.Commit(copies, nil)
				}
				if !tt.ok {
					if !errors.Is(err, ledger.ErrIntegrity) {
						t.Fatalf("committing: %v, want ErrIntegrity", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				head := r.Head()
				r.Close()
				r = mustOpenReplica(t, dir)
				if r.Head() != head || head.Position != tt.positions[len(tt.positions)-1] {
					t.Errorf("the head is %v, was %v", r.Head(), head)
				}
				for i, e := range everything(t, r) {
					if want := (revocation.Entry{Position: copies[i].Position, Records: copies[i].Records}); !reflect.DeepEqual(e, want) {
						t.Errorf("read %v, want %v", e, want)
					}
				}
			})
		}
	}
}

// A copy that is committed again is skipped. A different entry at its position is
// of another ledger.
func TestReplicaCommitsAgain(t *testing.T) {
	r := mustOpenReplica(t, t.TempDir())
	one, two, three := copied(at(1, 1), record("one")), copied(at(1, 2), record("two")), copied(at(1, 3), record("three"))
	mustCommit(t, r, one, two)
	mustCommit(t, r, one, two)
	mustCommit(t, r, two, three)
	if n := len(everything(t, r)); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
	if err := r.Commit([]local.Copy{copied(at(1, 2), record("else"))}, nil); !errors.Is(err, ledger.ErrIntegrity) {
		t.Errorf("another entry: %v", err)
	}
	if !errors.Is(r.Err(), ledger.ErrIntegrity) {
		t.Errorf("Err is %v", r.Err())
	}
}

func TestReplicaRefusesWhatCannotBeRead(t *testing.T) {
	r := mustOpenReplica(t, t.TempDir())
	for name, c := range map[string]local.Copy{
		"no records":        copied(at(1, 1)),
		"an invalid record": copied(at(1, 1), revocation.Record{}),
	} {
		if err := r.Commit([]local.Copy{c}, nil); !errors.Is(err, revocation.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.Head() != (ledger.Head{}) || r.Err() != nil {
		t.Errorf("at %v, %v", r.Head(), r.Err())
	}
}

func TestReplicaMark(t *testing.T) {
	dir := t.TempDir()
	r := mustOpenReplica(t, dir)
	for _, mark := range []string{"first", "second", "", "third"} {
		given := []byte(mark)
		if err := r.Commit(nil, given); err != nil {
			t.Fatal(err)
		}
		copy(given, "XXXXX")
		copy(r.Mark(), "YYYYY")
		if got := r.Mark(); string(got) != mark {
			t.Errorf("the mark is %q, want %q", got, mark)
		}
		if r.Head() != (ledger.Head{}) {
			t.Errorf("a mark alone moved the head to %v", r.Head())
		}
		r.Close()
		r = mustOpenReplica(t, dir)
		if got := r.Mark(); string(got) != mark {
			t.Errorf("opened again, the mark is %q, want %q", got, mark)
		}
	}
}

func TestReplicaRemembers(t *testing.T) {
	now := time.Unix(1_760_000_000, 0)
	r, err := local.OpenReplica(local.Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := uint64(0)
	keyed := func(request byte) revocation.Position {
		t.Helper()
		n++
		c := copied(at(1, n), record("r"))
		c.Key = ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{request}, Expires: now.Add(time.Minute)}
		mustCommit(t, r, c)
		return c.Position
	}
	remembers := func(want byte, pos revocation.Position, expires time.Time) {
		t.Helper()
		request, p, e, err := r.Remembered([32]byte{1})
		if err != nil || request != [32]byte{want} || p != pos || !e.Equal(expires) {
			t.Errorf("remembers %x, %s, %s, %v", request[0], p, e, err)
		}
	}
	if _, _, _, err := r.Remembered([32]byte{1}); !errors.Is(err, ledger.ErrNotFound) {
		t.Error("a key that was never used is remembered")
	}
	first, until := keyed(5), now.Add(time.Minute)
	remembers(5, first, until)
	first = keyed(6) // as in another epoch: the replica's owner decides which entry counts
	remembers(6, first, until)
	now = until.Add(time.Second) // expired, and still there
	remembers(6, first, until)
	second, until := keyed(7), now.Add(time.Minute)
	remembers(7, second, until)
	now = until.Add(time.Second)
	mustCommit(t, r)
	if _, _, _, err := r.Remembered([32]byte{1}); !errors.Is(err, ledger.ErrNotFound) {
		t.Error("it is never forgotten")
	}
}

func TestReplicaFindsRestatedRecords(t *testing.T) {
	r := mustOpenReplica(t, t.TempDir())
	was, now := record("was"), record("now")
	lift := revocation.Record{Type: revocation.Lift, Lifts: refAt(at(1, 5), 1), Source: "admin"}
	mustCommit(
		t, r,
		copied(at(3, 17), was, record("beside it")),
		copied(at(3, 18), from(refAt(at(1, 5), 1), now), from(refAt(at(3, 17), 0), was)),
		copied(at(4, 1), from(refAt(at(1, 5), 1), now), lift, from(refAt(at(1, 4), 0), now)),
	)
	want := []ledger.Located{
		{Ref: refAt(at(4, 1), 1), Record: lift},
		{Ref: refAt(at(3, 17), 1), Record: record("beside it")},
		{Ref: refAt(at(3, 17), 0), Record: was},
		{Ref: refAt(at(1, 5), 1), Record: from(refAt(at(1, 5), 1), now)},
		{Ref: refAt(at(1, 4), 0), Record: from(refAt(at(1, 4), 0), now)},
	}
	for _, l := range want {
		if got, err := r.Get(t.Context(), l.Ref); err != nil || !reflect.DeepEqual(got, l.Record) {
			t.Errorf("%s is %v, %v", l.Ref, got, err)
		}
	}
	// Restated records are found by their origin only.
	for _, ref := range []revocation.Ref{refAt(at(3, 18), 0), refAt(at(3, 18), 1), refAt(at(4, 1), 0), refAt(at(1, 5), 0)} {
		if got, err := r.Get(t.Context(), ref); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s is %v, %v", ref, got, err)
		}
	}
	searches(t, r, ledger.Page{}, want)
	searches(t, r, ledger.Page{Types: []revocation.Type{revocation.Cut}}, want[1:])
	account := ledger.Page{Issuer: now.Target.Issuer, Subject: now.Target.Subject}
	searches(t, r, account, []ledger.Located{want[0], want[3], want[4]})
	account.Subject = was.Target.Subject
	searches(t, r, account, want[2:3])
}

// A ledger lost its tail and used its refs again. The repair restates the records
// of both.
func TestReplicaFindsBothRecordsOfOneRef(t *testing.T) {
	r := mustOpenReplica(t, t.TempDir())
	a, b, c := record("a"), record("b"), record("c")
	origin := refAt(at(1, 1), 0)
	mustCommit(
		t, r,
		copied(at(1, 1), a),
		copied(at(2, 1), from(origin, b), from(origin, a), from(origin, b), from(refAt(at(1, 2), 0), c), from(refAt(at(1, 2), 0), a)),
	)
	ref2 := refAt(at(1, 2), 0)
	searches(t, r, ledger.Page{}, []ledger.Located{
		{Ref: ref2, Record: from(ref2, a)}, {Ref: ref2, Record: from(ref2, c)}, {Ref: origin, Record: from(origin, b)}, {Ref: origin, Record: a},
	})
	account := ledger.Page{Issuer: b.Target.Issuer, Subject: b.Target.Subject}
	searches(t, r, account, []ledger.Located{{Ref: origin, Record: from(origin, b)}})
	account.Subject = a.Target.Subject
	searches(t, r, account, []ledger.Located{{Ref: ref2, Record: from(ref2, a)}, {Ref: origin, Record: a}})
}

func searches(t *testing.T, r *local.Replica, page ledger.Page, want []ledger.Located) {
	t.Helper()
	if got, err := r.Search(t.Context(), page); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("searching %+v:\n%v, %v\nwant\n%v", page, got, err, want)
	}
}

// A replica has exactly the entries that were committed, for any entries, after
// restarts too.
func TestReplicaAgainstModel(t *testing.T) {
	parent := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(parent, "")
		if err != nil {
			rt.Fatal(err)
		}
		r, err := local.OpenReplica(local.Options{Dir: dir})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { r.Close() }()
		head := at(rapid.Uint64Range(1, 2).Draw(rt, "epoch"), rapid.Uint64Range(0, 4).Draw(rt, "before"))
		var m replicaModel
		for range rapid.IntRange(1, 6).Draw(rt, "commits") {
			var copies []local.Copy
			for range rapid.IntRange(0, 4).Draw(rt, "copies") {
				if head.Sequence++; rapid.IntRange(0, 9).Draw(rt, "next epoch") == 0 {
					head = at(head.Epoch+1, 1)
				}
				copies = append(copies, copied(head, drawRecords(rt, head)...))
			}
			if err := r.Commit(copies, []byte(head.String())); err != nil {
				rt.Fatal(err)
			}
			m.add(copies)
			if rapid.Bool().Draw(rt, "again") {
				if err := r.Commit(copies, []byte(head.String())); err != nil {
					rt.Fatal(err)
				}
			}
			if rapid.Bool().Draw(rt, "restart") {
				r.Close()
				if r, err = local.OpenReplica(local.Options{Dir: dir}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if string(r.Mark()) != head.String() {
			rt.Fatalf("the mark is %q", r.Mark())
		}
		m.check(rt, r)
	})
}

// drawRecords draws the records of an entry; some were written earlier.
func drawRecords(t *rapid.T, p revocation.Position) (records []revocation.Record) {
	for range rapid.IntRange(1, 3).Draw(t, "records") {
		r := record(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "reason"))
		if rapid.Bool().Draw(t, "restated") {
			origin := refAt(at(rapid.Uint64Range(1, 2).Draw(t, "origin epoch"), rapid.Uint64Range(1, 8).Draw(t, "origin")),
				rapid.Uint16Range(0, 2).Draw(t, "origin item"))
			if origin.Position.Compare(p) < 0 {
				r.Origin = origin
			}
		}
		records = append(records, r)
	}
	return records
}

// replicaModel has the entries, and the records of each ref.
type replicaModel struct {
	entries []revocation.Entry
	known   []ledger.Located
}

func (m *replicaModel) add(copies []local.Copy) {
	for _, c := range copies {
		m.entries = append(m.entries, revocation.Entry{Position: c.Position, Records: c.Records})
		for i, r := range c.Records {
			l := ledger.Located{Ref: r.RefAt(refAt(c.Position, uint16(i))), Record: r}
			if !slices.ContainsFunc(m.known, func(k ledger.Located) bool { return k.Ref == l.Ref && k.Record.Reason == r.Reason }) {
				m.known = append(m.known, l)
			}
		}
	}
}

// reasons lists the reasons of the records, newest first. Records with the same ref
// are in a fixed order. It makes no difference which copy of a record is found.
func reasons(known []ledger.Located) (list []string) {
	known = slices.Clone(known)
	slices.SortFunc(known, func(a, b ledger.Located) int {
		if c := b.Ref.Compare(a.Ref); c != 0 {
			return c
		}
		return int(a.Record.Reason[0]) - int(b.Record.Reason[0])
	})
	for _, k := range known {
		list = append(list, k.Ref.String()+k.Record.Reason)
	}
	return list
}

func (m *replicaModel) check(t *rapid.T, r *local.Replica) {
	var entries []revocation.Entry
	err := r.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil || !reflect.DeepEqual(entries, m.entries) {
		t.Fatalf("read %v, %v\nwant %v", entries, err, m.entries)
	}
	for _, k := range m.known {
		if got, err := r.Get(t.Context(), k.Ref); err != nil || got.Reason != "a" && got.Reason != "b" {
			t.Fatalf("%s is %v, %v", k.Ref, got, err)
		}
	}
	for _, subject := range []string{"", "user-a", "user-b"} {
		page := ledger.Page{Subject: subject, Issuer: record("a").Target.Issuer, Limit: 1000}
		got, err := r.Search(t.Context(), page)
		want := slices.DeleteFunc(slices.Clone(m.known), func(k ledger.Located) bool {
			return subject != "" && k.Record.Target.Subject != subject
		})
		if err != nil || !slices.IsSortedFunc(got, func(a, b ledger.Located) int { return b.Ref.Compare(a.Ref) }) {
			t.Fatalf("searching for %q: %v, %v", subject, got, err)
		}
		if got, want := reasons(got), reasons(want); !slices.Equal(got, want) {
			t.Fatalf("searching for %q:\n%v\nwant\n%v", subject, got, want)
		}
	}
}

// A ledger can't open a replica's directory, nor a replica a ledger's.
func TestReplicaAndLedgerApart(t *testing.T) {
	of, copyOf := t.TempDir(), t.TempDir()
	mustOpen(t, of).Close()
	mustOpenReplica(t, copyOf).Close()
	if r, err := local.OpenReplica(local.Options{Dir: of}); err == nil || errors.Is(err, ledger.ErrIntegrity) {
		t.Errorf("a ledger opened as a replica: %v, %v", r, err)
	}
	if l, err := local.Open(local.Options{Dir: copyOf}); err == nil || errors.Is(err, ledger.ErrIntegrity) {
		t.Errorf("a replica opened as a ledger: %v, %v", l, err)
	}
	mustOpen(t, of)
	mustOpenReplica(t, copyOf)
	if _, err := local.OpenReplica(local.Options{Dir: copyOf}); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestReplicaClosed(t *testing.T) {
	r := mustOpenReplica(t, t.TempDir())
	mustCommit(t, r, copied(at(1, 1), record("r")))
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Commit(nil, nil); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("committing: %v", err)
	}
	if _, err := r.Get(t.Context(), refAt(at(1, 1), 0)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("getting: %v", err)
	}
}

func TestSetAside(t *testing.T) {
	now := time.Unix(1_760_000_000, 0)
	for name, tt := range map[string]struct {
		damage func(t *testing.T, dir string)
		lost   uint64
	}{
		"nothing wrong":   {func(*testing.T, string) {}, 5},
		"no log":          {func(_ *testing.T, dir string) { os.Remove(logOf(dir)) }, 5},
		"a log cut short": {func(_ *testing.T, dir string) { os.Truncate(logOf(dir), 9000) }, 5},
		"no position":     {func(_ *testing.T, dir string) { os.Remove(positionOf(dir)) }, 0},
		"a torn position": {func(_ *testing.T, dir string) { os.Truncate(positionOf(dir), 10) }, 0},
		"a staged log":    {func(t *testing.T, dir string) { write(t, logOf(dir)+".new", []byte("x")) }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := mustOpenReplica(t, dir)
			for n := range uint64(5) {
				mustCommit(t, r, copied(at(1, n+1), record("r")))
			}
			head := r.Head()
			r.Close()
			tt.damage(t, dir)
			before, _ := filepath.Glob(filepath.Join(dir, "*"))
			lost, err := local.SetAside(dir, now)
			if err != nil || lost.Position.Sequence != tt.lost || tt.lost > 0 && lost != head {
				t.Errorf("lost %v, %v", lost, err)
			}
			after, _ := filepath.Glob(filepath.Join(dir, "*.damaged-20251009T085320.000Z"))
			if len(after) != len(before) {
				t.Errorf("of %v is left %v", before, after)
			}
			r = mustOpenReplica(t, dir)
			if r.Head() != (ledger.Head{}) || r.Mark() != nil {
				t.Errorf("the new one is at %v", r.Head())
			}
			r.Close()
			if lost, err := local.SetAside(dir, now.Add(time.Second)); err != nil || lost != (ledger.Head{}) {
				t.Errorf("an empty one: %v, %v", lost, err)
			}
			if lost, err := local.SetAside(dir, now.Add(time.Second)); err != nil || lost != (ledger.Head{}) {
				t.Errorf("nothing: %v, %v", lost, err)
			}
		})
	}
	inUse := t.TempDir()
	mustOpenReplica(t, inUse)
	if _, err := local.SetAside(inUse, now); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("in use: %v", err)
	}
	if _, err := local.SetAside(filepath.Join(t.TempDir(), "nowhere"), now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// The fault table applies to replicas too. A file that was tampered with is
// refused, or no entry is missing.
func TestReplicaFaults(t *testing.T) {
	dir := t.TempDir()
	r := mustOpenReplica(t, dir)
	for n := range uint64(100) {
		mustCommit(t, r, copied(at(3, n+17), record(fmt.Sprint(n)), from(refAt(at(1, n+1), 0), record(fmt.Sprint(n)))))
	}
	want := everything(t, r)
	r.Close()
	log, slots := contents(t, logOf(dir)), contents(t, positionOf(dir))
	random := seedtest.New(t)
	work, refusals := copyDir(t, dir), 0
	for range long(200, 5000) {
		bad := slices.Clone(log)
		if random.IntN(2) == 0 {
			bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
		} else {
			bad = bad[:random.IntN(len(bad))]
		}
		write(t, logOf(work), bad)
		write(t, positionOf(work), slots)
		if readsLess(t, work, want) {
			refusals++
		}
	}
	if refusals == 0 {
		t.Error("no damage was ever noticed")
	}
}

// readsLess reports whether a replica was refused. If it was not, no entry may be
// missing.
func readsLess(t *testing.T, dir string, want []revocation.Entry) bool {
	t.Helper()
	r, err := local.OpenReplica(local.Options{Dir: dir})
	var got []revocation.Entry
	if err == nil {
		defer r.Close()
		err = r.Read(t.Context(), revocation.Position{}, func(e revocation.Entry) error {
			got = append(got, e)
			return nil
		})
	}
	switch {
	case errors.Is(err, ledger.ErrIntegrity):
		return true
	case err != nil:
		t.Fatal(err)
	case !reflect.DeepEqual(got, want):
		t.Fatalf("it has %d entries, want %d", len(got), len(want))
	}
	return false
}

// replicaChild commits until it is killed. After each commit it prints its head.
func replicaChild(dir string) int {
	r, err := local.OpenReplica(local.Options{Dir: dir})
	if err != nil {
		fmt.Println("open", err)
		return 1
	}
	p := r.Head().Position
	p.Epoch = 1
	for {
		var copies []local.Copy
		for range 5 {
			p.Sequence++
			copies = append(copies, copied(p, record(p.String())))
		}
		if err := r.Commit(copies, []byte(p.String())); err != nil {
			fmt.Println("err", err)
			return 1
		}
		fmt.Println("ack", p, p.String())
	}
}

// After a kill a replica has whole commits with their marks, and at least the
// commits that were answered.
func TestReplicaKilled(t *testing.T) {
	dir := t.TempDir()
	acked, random := revocation.Position{}, seedtest.New(t)
	for range long(10, 200) {
		w := startChild(t, replicaDir, dir)
		w.await(t, 1)
		time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
		w.kill()
		for p := range w.snapshot() {
			if p.Compare(acked) > 0 {
				acked = p
			}
		}
		r := mustOpenReplica(t, dir)
		head := r.Head().Position
		if head.Compare(acked) < 0 || string(r.Mark()) != head.String() || head.Sequence%5 != 0 {
			t.Fatalf("it is at %s with the mark %q, and had reached %s", head, r.Mark(), acked)
		}
		entries := everything(t, r)
		if uint64(len(entries)) != head.Sequence {
			t.Fatalf("%d entries, the head is %s", len(entries), head)
		}
		for _, e := range entries {
			if e.Records[0].Reason != e.Position.String() {
				t.Fatalf("%s holds %q", e.Position, e.Records[0].Reason)
			}
		}
		r.Close()
	}
	t.Logf("%s acknowledged, 0 lost", acked)
}
