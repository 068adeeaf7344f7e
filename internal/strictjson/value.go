package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is the text of one valid JSON value, without surrounding space. The
// empty value is none.
type Value string

// Text is the value of a JSON string.
func (v Value) Text() (string, bool) {
	if v == "" || v[0] != '"' {
		return "", false
	}
	return unquote(string(v)), true
}

// Elements are the values of a JSON array.
func (v Value) Elements() ([]Value, bool) {
	if v == "" || v[0] != '[' {
		return nil, false
	}
	var all []Value
	s := scanner{text: string(v), limits: Limits{MaxDepth, len(v)}}
	return all, s.array(nil, 1, &all) == nil
}

// Texts are the values of a JSON array of strings.
func (v Value) Texts() ([]string, bool) {
	all, ok := v.Elements()
	if !ok {
		return nil, false
	}
	texts := make([]string, len(all))
	for i, e := range all {
		if texts[i], ok = e.Text(); !ok {
			return nil, false
		}
	}
	return texts, true
}

// Scalar is the value of a JSON string, or the text of a number or boolean. An
// empty string is none.
func (v Value) Scalar() (string, bool) {
	if text, ok := v.Text(); ok {
		return text, text != ""
	}
	return string(v), v != "" && v != "null" && v[0] != '[' && v[0] != '{'
}

// Empty reports a value that says nothing: null, or a string of no characters.
func (v Value) Empty() bool { return v == "null" || v == `""` }

// unquote returns the string that a valid JSON string denotes.
func unquote(quoted string) string {
	s := quoted[1 : len(quoted)-1]
	cut := strings.IndexByte(s, '\\')
	if cut < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:cut]...)
	for i := cut; i < len(s); {
		if s[i] != '\\' {
			b = append(b, s[i])
			i++
			continue
		}
		if s[i+1] != 'u' {
			b = append(b, "\"\\/\b\f\n\r\t"[strings.IndexByte(`"\/bfnrt`, s[i+1])])
			i += 2
			continue
		}
		r, _ := hex4(s[i+1:])
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(s[i+1:])
			r = utf16.DecodeRune(r, low)
			i += 6
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// hex4 reads u and four hexadecimal digits.
func hex4(s string) (rune, bool) {
	if len(s) < 5 || s[0] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:5], 16, 16)
	return rune(n), err == nil
}
