package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// limits are those of a token.
var limits = Limits{Depth: 17, Members: 4096}

func TestParse(t *testing.T) {
	for text, want := range map[string]error{
		`{}`: nil,
		" {\"a\" : [1, -0.5e+3, true, false, null, {}], \"b\":\"\\u00e9\\ud83d\\ude00\\n\"}\n": nil,
		`{"a":1,"A":2}`:         nil,
		`[]`:                    ErrObject,
		`null`:                  ErrObject,
		``:                      ErrObject,
		"\ufeff{}":              ErrObject,
		`{"a":1}x`:              ErrSyntax,
		`{"a":1,}`:              ErrSyntax,
		`{"a":01}`:              ErrSyntax,
		`{"a":.5}`:              ErrSyntax,
		`{"a":1.}`:              ErrSyntax,
		`{"a":+1}`:              ErrSyntax,
		`{"a":NaN}`:             ErrSyntax,
		`{'a':1}`:               ErrSyntax,
		`{"a":1`:                ErrSyntax,
		`{"a"`:                  ErrSyntax,
		`{"a":"\x"}`:            ErrSyntax,
		`{"a":"\u12"}`:          ErrSyntax,
		`{"a":"\u+123"}`:        ErrSyntax,
		"{\"a\":\"\n\"}":        ErrSyntax,
		"{\"a\":\"\xff\"}":      ErrUTF8,
		`{"a":"\ud800"}`:        ErrSurrogate,
		`{"a":"\ud800\ud800"}`:  ErrSurrogate,
		`{"a":"\ude00\ud83d"}`:  ErrSurrogate,
		`{"a":1,"a":1}`:         ErrDuplicate,
		`{"a":1,"\u0061":1}`:    ErrDuplicate,
		`{"x":[{"a":1,"a":1}]}`: ErrDuplicate,
		`{"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`: ErrDepth,
	} {
		if _, err := Parse(text, limits); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

func TestManyMembersStayCheap(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"a":0`)
	for n := range limits.Members {
		b.WriteString(`,"m` + strings.Repeat("x", n%50) + strings.Repeat("y", n/50) + `":1`)
	}
	if _, err := Parse(b.String()+"}", limits); !errors.Is(err, ErrMembers) {
		t.Errorf("got %v", err)
	}
}

// Whatever the standard library writes reads back the same.
func TestParseReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "members")
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(string(b), limits)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %v", b, err)
		}
		for _, m := range got {
			if text, ok := m.Value.Text(); !ok || text != want[m.Name] {
				t.Fatalf("%q: %q, want %q", m.Name, text, want[m.Name])
			}
		}
	})
}

// A fault's reason names nothing of the document: it may be a token.
func TestAFaultOfParseHoldsNothingOfTheDocument(t *testing.T) {
	const canary = "canary0123456789"
	for _, text := range []string{
		`{"` + canary + `":1,"` + canary + `":2}`, `{"a":{"` + canary + `":"\ud800"}}`, `{"a":[` + canary, `"` + canary + `"`,
	} {
		if _, err := Parse(text, limits); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestValuesAreReadAsTheirTypeOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		value                 Value
		text, elements, texts bool
	}{
		{`"a"`, true, false, false},
		{`["a","b\u0063"]`, false, true, true},
		{`[]`, false, true, true},
		{`["a",1]`, false, true, false},
		{`[[1],{"a":2}]`, false, true, false},
		{`{"a":1}`, false, false, false},
		{`null`, false, false, false},
		{`1`, false, false, false},
		{``, false, false, false},
		{`[1`, false, false, false},
	} {
		_, text := c.value.Text()
		_, elements := c.value.Elements()
		_, texts := c.value.Texts()
		if text != c.text || elements != c.elements || texts != c.texts {
			t.Errorf("%s: text %v, elements %v, texts %v", c.value, text, elements, texts)
		}
	}
	if texts, _ := Value(`["a","b\u0063"]`).Texts(); len(texts) != 2 || texts[1] != "bc" {
		t.Errorf("got %q", texts)
	}
}

// What is accepted, the standard library accepts, and reads alike.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1e5,"b":["\ud83d\ude00",null]}`, `{"a":{"b":{}},"c":"\\"}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		members, err := Parse(s, limits)
		fault := Check(s, nil)
		if fault == nil && strings.HasPrefix(s, "{") && err != nil && !errors.Is(err, ErrDepth) {
			t.Fatalf("%q: a document that passes has members that can't be read: %v", s, err)
		}
		if err != nil {
			return
		}
		if fault != nil && !errors.Is(fault, ErrMembers) {
			t.Fatalf("%q: members are read of a document that does not pass: %v", s, fault)
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
			want, ok := std[m.Name]
			if !ok || !utf8.ValidString(m.Name) {
				t.Fatalf("%q: no member %q", s, m.Name)
			}
			if text, ok := m.Value.Text(); ok && text != want {
				t.Fatalf("%q: %q, want %q", s, text, want)
			}
		}
	})
}
