package token

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseObject(t *testing.T) {
	for text, want := range map[string]error{
		`{}`: nil,
		" {\"a\" : [1, -0.5e+3, true, false, null, {}], \"b\":\"\\u00e9\\ud83d\\ude00\\n\"}\n": nil,
		`{"a":1,"A":2}`:         nil,
		`[]`:                    errJSONObject,
		`null`:                  errJSONObject,
		``:                      errJSONObject,
		"\ufeff{}":              errJSONObject,
		`{"a":1}x`:              errJSONSyntax,
		`{"a":1,}`:              errJSONSyntax,
		`{"a":01}`:              errJSONSyntax,
		`{"a":.5}`:              errJSONSyntax,
		`{"a":1.}`:              errJSONSyntax,
		`{"a":+1}`:              errJSONSyntax,
		`{"a":NaN}`:             errJSONSyntax,
		`{'a':1}`:               errJSONSyntax,
		`{"a":1`:                errJSONSyntax,
		`{"a"`:                  errJSONSyntax,
		`{"a":"\x"}`:            errJSONSyntax,
		`{"a":"\u12"}`:          errJSONSyntax,
		`{"a":"\u+123"}`:        errJSONSyntax,
		"{\"a\":\"\n\"}":        errJSONSyntax,
		"{\"a\":\"\xff\"}":      errJSONUTF8,
		`{"a":"\ud800"}`:        errJSONSurrogate,
		`{"a":"\ud800\ud800"}`:  errJSONSurrogate,
		`{"a":"\ude00\ud83d"}`:  errJSONSurrogate,
		`{"a":1,"a":1}`:         errJSONDuplicate,
		`{"a":1,"\u0061":1}`:    errJSONDuplicate,
		`{"x":[{"a":1,"a":1}]}`: errJSONDuplicate,
		`{"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`: errJSONDepth,
	} {
		if _, err := parseObject(text); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

func TestManyMembersStayCheap(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"a":0`)
	for n := range maxJSONMembers {
		b.WriteString(`,"m` + strings.Repeat("x", n%50) + strings.Repeat("y", n/50) + `":1`)
	}
	if _, err := parseObject(b.String() + "}"); !errors.Is(err, errJSONMembers) {
		t.Errorf("got %v", err)
	}
}

func TestFoldFindsWhatOtherReadersWouldTake(t *testing.T) {
	words := newVocabulary("sub", "x5t#S256", "nickname")
	for name, want := range map[string]bool{
		"sub": false, "SUB": true, "\u017fub": true, "x5t#s256": true, "x5t#S256": false, "nic\u212aname": true, "subs": false,
	} {
		if words.mistaken(name) != want {
			t.Errorf("%q: got %v", name, !want)
		}
	}
}

// However an instant is written, it is rounded down to a second, exactly.
func TestDatesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		whole := new(big.Int).Div(exact.Num(), exact.Denom())
		got, ok := value(text).date()
		if want := whole.Cmp(big.NewInt(1<<53)) < 0; ok != want || ok && got != whole.Int64() {
			t.Fatalf("%s is %d %v, want %v %v", text, got, ok, whole, want)
		}
	})
	for _, text := range []string{"-0", "-1", `"1"`, "null", "true", "[1]", "{}", ""} {
		if n, ok := value(text).date(); ok {
			t.Errorf("%s is %d", text, n)
		}
	}
}

// Whatever the standard library writes reads back the same.
func TestParseObjectReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "members")
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseObject(string(b))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %v", b, err)
		}
		for _, m := range got {
			if text, ok := m.value.text(); !ok || text != want[m.name] {
				t.Fatalf("%q: %q, want %q", m.name, text, want[m.name])
			}
		}
	})
}

// What is accepted, the standard library accepts, and reads alike.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1e5,"b":["\ud83d\ude00",null]}`, `{"a":{"b":{}},"c":"\\"}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		members, err := parseObject(s)
		if err != nil {
			return
		}
		var std map[string]any
		if err := json.Unmarshal([]byte(s), &std); err != nil {
			if strings.Contains(err.Error(), "cannot unmarshal number") { // out of a float's range
				return
			}
			t.Fatalf("%q: accepted, but %v", s, err)
		}
		if len(members) != len(std) {
			t.Fatalf("%q: %d members, want %d", s, len(members), len(std))
		}
		for _, m := range members {
			want, ok := std[m.name]
			if !ok || !utf8.ValidString(m.name) {
				t.Fatalf("%q: no member %q", s, m.name)
			}
			if text, ok := m.value.text(); ok && text != want {
				t.Fatalf("%q: %q, want %q", s, text, want)
			}
		}
	})
}
