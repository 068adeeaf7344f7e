package token

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// value is the text of one valid JSON value, without surrounding space.
type value string

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

// text is the value of a JSON string.
func (v value) text() (string, bool) {
	if v == "" || v[0] != '"' {
		return "", false
	}
	return unquote(string(v)), true
}

// elements are the values of a JSON array.
func (v value) elements() ([]value, bool) {
	if v == "" || v[0] != '[' {
		return nil, false
	}
	var all []value
	p := parser{s: string(v)}
	err := p.array(0, &all)
	return all, err == nil
}

// texts are the values of a JSON array of strings.
func (v value) texts() ([]string, bool) {
	all, ok := v.elements()
	if !ok {
		return nil, false
	}
	texts := make([]string, len(all))
	for i, e := range all {
		if texts[i], ok = e.text(); !ok {
			return nil, false
		}
	}
	return texts, true
}

// empty reports a value that says nothing: null, or a string of no characters.
func (v value) empty() bool { return v == "null" || v == `""` }

// date is a NumericDate (RFC 7519, 2) in Unix seconds, rounded down: a JSON
// number of at least 0 and below 2^53, which every parser reads alike.
func (v value) date() (int64, bool) {
	s := string(v)
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		var ok bool
		if s, ok = shift(s[:at], s[at+1:]); !ok {
			return 0, false
		}
	}
	whole, _, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	return n, err == nil && n < 1<<53
}

// maxShift is more than the digits of any date.
const maxShift = 400

// shift moves the point of a decimal number by an exponent. It does so in the
// text: a floating-point number would round some instants up.
func shift(number, exponent string) (string, bool) {
	by, err := strconv.Atoi(exponent)
	if err != nil || by < -maxShift || by > maxShift {
		return "", false
	}
	whole, fraction, _ := strings.Cut(number, ".")
	if by < 0 {
		whole = strings.Repeat("0", -by) + whole
		return whole[:len(whole)+by] + ".0", true
	}
	fraction += strings.Repeat("0", by)
	return whole + fraction[:by], true
}
