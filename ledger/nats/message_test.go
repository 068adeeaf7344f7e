package nats

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

func TestMessagesComeBack(t *testing.T) {
	g := genesis{Ledger: [16]byte{1, 2}, Epoch: 7, Adopted: ledger.Head{Position: revocation.Position{Epoch: 6, Sequence: 9}, Chain: [32]byte{3}}, Records: []byte("r")}
	if got, err := decodeGenesis(g.encode()); err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("%+v, %v", got, err)
	}
	b := batch{Writer: "edge-1/a", Number: 5, Entries: []entry{
		{Records: []byte("one")},
		{Key: ledger.Idempotency{Key: [32]byte{1}, Request: [32]byte{2}, Expires: time.Unix(1_800_000_000, 0)}, Records: []byte("two")},
	}}
	if got, err := decodeBatch(b.encode()); err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("%+v, %v", got, err)
	}
	want := tick{Tick: ledger.Tick{By: "a/1", Echoes: []ledger.Echo{{Node: "b/2", Nonce: 3}}}, Followed: 9, Head: g.Adopted}
	data, err := appendJSON(&want)
	var got tick
	if err = errors.Join(err, decodeJSON(data, &got)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A truncated message is not taken for a shorter one.
func TestMessagesCutOff(t *testing.T) {
	b := batch{Writer: "w", Number: 1, Entries: []entry{{Records: []byte("one")}, {Key: ledger.Idempotency{Key: [32]byte{1}, Expires: time.Unix(9, 0)}, Records: []byte("two")}}}
	whole := b.encode()
	for n := range whole {
		if _, err := decodeBatch(whole[:n]); !errors.Is(err, errMessage) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	b := batch{Writer: "w", Number: 1, Entries: []entry{{Records: revocation.AppendRecords(nil, []revocation.Record{{Type: revocation.Genesis, Time: 1}})}}}
	g := genesis{Epoch: 1, Records: b.Entries[0].Records}
	f.Add(kindEntry, b.encode())
	f.Add(kindGenesis, g.encode())
	f.Add(kindTick, []byte("\x01{\"by\":\"a\",\"head\":\"1.1:00\"}"))
	f.Add(kindTrim, []byte("\x01{\"through\":1}"))
	f.Add("other", []byte{2})
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		fold := begun(t)
		before := fold.mark
		s, err := fold.next(&message{kind: kind, sequence: 2, data: data, stamp: time.Unix(1, 0)})
		if err != nil && !reflect.DeepEqual(fold.mark, before) {
			t.Error("an error left something done")
		}
		if err == nil && fold.Head.Position.Sequence != before.Head.Position.Sequence+uint64(len(s.entries)) && s.genesis == nil {
			t.Errorf("%d entries lead from %s to %s", len(s.entries), before.Head.Position, fold.Head.Position)
		}
		if m, err := decodeBatch(data); err == nil {
			again, err := decodeBatch(m.encode())
			if err != nil || !bytes.Equal(again.encode(), m.encode()) {
				t.Errorf("a batch does not come back: %v", err)
			}
		}
	})
}

// begun returns a fold after a genesis.
func begun(t interface{ Fatal(...any) }) *fold {
	f := &fold{remembered: func([32]byte) (memory, error) { return memory{}, ledger.ErrNotFound }}
	g := genesis{Epoch: 1, Records: revocation.AppendRecords(nil, []revocation.Record{{Type: revocation.Genesis, Time: 1}})}
	if _, err := f.next(&message{kind: kindGenesis, sequence: 1, data: g.encode()}); err != nil {
		t.Fatal(err)
	}
	return f
}

// Two nodes that fold the same messages get the same result for any batches, even
// if one of them restarts between two messages. No key counts twice.
func TestFoldIsAFunctionOfTheStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var messages []*message
		for i := range rapid.IntRange(1, 30).Draw(t, "messages") {
			b := batch{Writer: "w", Number: uint64(i)}
			for range rapid.IntRange(1, 4).Draw(t, "entries") {
				e := entry{Records: revocation.AppendRecords(nil, []revocation.Record{{Type: revocation.Genesis, Origin: revocation.Ref{Position: revocation.Position{Epoch: 1, Sequence: 1}}, Time: 1}})}
				if k := rapid.IntRange(0, 3).Draw(t, "key"); k > 0 {
					e.Key = ledger.Idempotency{Key: [32]byte{byte(k)}, Request: [32]byte{1}, Expires: time.Unix(int64(rapid.IntRange(0, 40).Draw(t, "expires")), 0)}
				}
				b.Entries = append(b.Entries, e)
			}
			messages = append(messages, &message{kind: kindEntry, sequence: uint64(i) + 2, stamp: time.Unix(int64(i), 0), data: b.encode()})
		}
		one, other := begun(t), begun(t)
		keys := make(map[[32]byte]memory)
		remember := func(key [32]byte) (memory, error) {
			if m, ok := keys[key]; ok {
				return m, nil
			}
			return memory{}, ledger.ErrNotFound
		}
		one.remembered, other.remembered = remember, remember
		for _, m := range messages {
			restarted := &fold{mark: other.mark, remembered: remember}
			if rapid.Bool().Draw(t, "restart") {
				other = restarted
			}
			a, err1 := one.next(m)
			b, err2 := other.next(m)
			if err1 != nil || err2 != nil || !reflect.DeepEqual(a, b) || !reflect.DeepEqual(one.mark, other.mark) {
				t.Fatalf("%+v, %v; %+v, %v", a, err1, b, err2)
			}
			for i := range a.entries {
				key := a.entries[i].copy.Key
				if key.IsZero() {
					continue
				}
				if before, used := keys[key.Key]; used && m.stamp.Before(before.expires) {
					t.Fatalf("a key that counts until %s was used again at %s", before.expires, m.stamp)
				}
				keys[key.Key] = a.entries[i].mem
			}
		}
	})
}

// Later builds and the previous one must be able to read the messages of a stream.
func TestFormatStays(t *testing.T) {
	b := batch{Writer: "a/1", Number: 7, Entries: []entry{
		{Records: []byte("R")},
		{Key: ledger.Idempotency{Key: [32]byte{0xaa}, Request: [32]byte{0xbb}, Expires: time.Unix(1_800_000_000, 0)}, Records: []byte("S")},
	}}
	g := genesis{Ledger: [16]byte{1}, Epoch: 3, Adopted: ledger.Head{Position: revocation.Position{Epoch: 2, Sequence: 300}, Chain: [32]byte{0xcc}}, Records: []byte("R")}
	tk, err := appendJSON(&tick{Tick: ledger.Tick{By: "a/1", Echoes: []ledger.Echo{{Node: "b/2", Nonce: 3, MaxStaleness: time.Second}}}, Followed: 9, Head: g.Adopted})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := appendJSON(&trim{Through: 9, Head: g.Adopted})
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(n int) string { return string(bytes.Repeat([]byte{0}, n)) }
	head := `"head":"2.300:cc` + string(bytes.Repeat([]byte("0"), 62)) + `"`
	for name, tt := range map[string]struct{ got, want string }{
		"batch":   {string(b.encode()), "\x01\x03a/1\x07\x02\x00\x01R\x01\xaa" + zeros(31) + "\xbb" + zeros(31) + "\x80\xa0\xf1\xc2\xb1\x34\x01S"},
		"genesis": {string(g.encode()), "\x01\x01" + zeros(15) + "\x03\x02\xac\x02\xcc" + zeros(31) + "R"},
		"tick":    {string(tk), "\x01" + `{"by":"a/1","echoes":[{"node":"b/2","nonce":3,"max_staleness":1000000000}],"followed":9,` + head + `}`},
		"trim":    {string(tr), "\x01" + `{"through":9,` + head + `}`},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got\n%q\nwant\n%q", name, tt.got, tt.want)
		}
	}
}
