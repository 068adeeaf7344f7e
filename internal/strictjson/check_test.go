package strictjson

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

type inner struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
}

type embedded struct {
	Reason string `json:"reason,omitempty"`
}

type outer struct {
	embedded
	Target inner    `json:"target"`
	ACR    []string `json:"acr,omitempty"`
	List   []inner  `json:"list,omitempty"`
	Hidden string   `json:"-"`
	Limit  *int     `json:"limit,omitempty"`
}

func closed() *Shape { return Of(reflect.TypeFor[outer]()) }

func open() *Shape {
	s := closed()
	s.Open = true
	return s
}

func TestCheck(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"m` + strconv.Itoa(i) + `":1`)
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	}
	for _, c := range []struct {
		name, doc string
		shape     *Shape
		pointer   string
		detail    string // part of it; empty: accepted
	}{
		{"object", ` {"target":{"iss":"i"},"acr":["a"]} `, closed(), "", ""},
		{"embedded", `{"reason":"x"}`, closed(), "", ""},
		{"scalar", `-1.5e+3`, nil, "", ""},
		{"empty", ``, nil, "", "ends too early"},
		{"trailing", `{} {}`, nil, "", "follows"},
		{"trailing comma", `{"a":1,}`, nil, "", "malformed"},
		{"leading zero", `01`, nil, "", "follows"},
		{"no digits", `-`, nil, "", "too early"},
		{"control character", "\"a\nb\"", nil, "", "malformed"},
		{"NUL", "\x00", nil, "", "malformed"},
		{"NUL escape", "\"\\\x00\"", nil, "", "malformed"},
		{"latin-1", "\"\xe9\"", nil, "", "UTF-8"},
		{"byte order mark", "\uFEFF{}", nil, "", "malformed"},
		{"duplicate", `{"sub":"a","sub":"b"}`, nil, "/sub", "twice"},
		{"duplicate by escape", `{"sub":"a","\u0073ub":"b"}`, nil, "/sub", "twice"},
		{"duplicate below", `{"target":{"sub":"a","sub":"b"}}`, closed(), "/target/sub", "twice"},
		{"duplicate in an array", `[1,{"a":{"b/c":1,"b/c":2}}]`, nil, "/1/a/b~1c", "twice"},
		{"duplicate among many", strings.Replace(wide(40), `{`, `{"m39":0,`, 1), nil, "/m39", "twice"},
		{"case variant", `{"Target":{}}`, closed(), "/Target", "written target"},
		{"case variant below", `{"target":{"Sub":"a"}}`, closed(), "/target/Sub", "written sub"},
		{"case variant by folding", `{"list":[{"iſſ":"a"}]}`, closed(), "/list/0/iſſ", "written iss"},
		{"case variant of an open object", `{"ACR":1,"x":1}`, open(), "/ACR", "written acr"},
		{"unknown", `{"target":{},"seq":1}`, closed(), "/seq", "not a member"},
		{"unknown, untagged", `{"Hidden":"x"}`, closed(), "/Hidden", "not a member"},
		{"unknown of an open object", `{"seq":null}`, open(), "", ""},
		{"null", `{"target":{"sub":null}}`, closed(), "/target/sub", "null"},
		{"null in an open object", `{"acr":null}`, open(), "", ""},
		{"depth at the limit", deep(MaxDepth), nil, "", ""},
		{"depth over the limit", deep(MaxDepth + 1), nil, strings.Repeat("/0", MaxDepth), "nested"},
		{"depth bomb", strings.Repeat("[", 1<<20), nil, strings.Repeat("/0", MaxDepth), "nested"},
		{"members at the limit", wide(MaxMembers), nil, "", ""},
		{"members over the limit", wide(MaxMembers + 1), nil, "/m1000", "too many"},
		{"pair", `"\ud83d\ude00"`, nil, "", ""},
		{"high half", `"\ud83d"`, nil, "", "surrogate"},
		{"high half before an escape", `"\ud83d\n"`, nil, "", "surrogate"},
		{"low half", `"\ude00"`, nil, "", "surrogate"},
		{"short escape", `"\u12"`, nil, "", "too early"},
		{"bad escape", `"\u12g4"`, nil, "", "malformed"},
		{"a long name is cut", `{"` + strings.Repeat("é", 1000) + `":1}`, closed(), "/" + strings.Repeat("é", 32) + "…", "not a member"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check(c.doc, c.shape)
			if c.detail == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a fault", err)
			}
			if fault.Pointer != c.pointer || !strings.Contains(fault.Detail, c.detail) {
				t.Errorf("got %q %q, want %q %q", fault.Pointer, fault.Detail, c.pointer, c.detail)
			}
		})
	}
}

func TestCheckDoesNotAllocateForOrdinaryRequests(t *testing.T) {
	doc, shape := `{"target":{"iss":"https://login.example.com","sub":"alice"},"acr":["mfa"]}`, closed()
	if n := testing.AllocsPerRun(100, func() {
		if Check(doc, shape) != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"target":{"iss":"i","sub":"s"}}`, `{"a":1,"a":2}`, `[[[[]]]]`, `"\ud800"`, `"\u0000"`, `-0.0e-1`, `{"a":{"\u0061":1,"a":2}}`,
		"\xff", `nul`, `{"Target":{}}`, `[1,2,]`, ` true `, `{"target":null}`, `"\`, `1.`, "{\"\":0}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		free, shaped := Check(string(data), nil), Check(string(data), closed())
		if shaped == nil && free != nil {
			t.Fatal("a shape made a document acceptable")
		}
		if want := acceptable(data); want != (free == nil) && !strings.Contains(string(data), `\u`) {
			t.Fatalf("got %v, encoding/json says %v", free, want)
		}
		if free == nil && !json.Valid(data) {
			t.Fatal("accepted what encoding/json refuses")
		}
		if shaped == nil && json.Valid(data) {
			d := json.NewDecoder(strings.NewReader(string(data)))
			d.DisallowUnknownFields()
			var into outer
			var wrongType *json.UnmarshalTypeError
			if err := d.Decode(&into); err != nil && !errors.As(err, &wrongType) {
				t.Fatalf("accepted what encoding/json refuses: %v", err)
			}
		}
	})
}

// acceptable is the same judgement by way of encoding/json.
func acceptable(data []byte) bool {
	if !json.Valid(data) || !utf8.Valid(data) {
		return false
	}
	type level struct {
		names  map[string]bool // nil: an array
		isName bool
	}
	var levels []level
	for d := json.NewDecoder(strings.NewReader(string(data))); ; {
		token, err := d.Token()
		if err == io.EOF {
			return true
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].names != nil {
			if at := &levels[n-1]; !at.isName {
				at.isName = true
				name := token.(string)
				if at.names[name] || len(at.names) == MaxMembers {
					return false
				}
				at.names[name] = true
				continue
			}
			levels[n-1].isName = false
		}
		if delim, ok := token.(json.Delim); ok {
			next := level{}
			if delim == '{' {
				next.names = map[string]bool{}
			}
			if levels = append(levels, next); len(levels) > MaxDepth {
				return false
			}
		}
	}
}
