package identity

import (
	"slices"
	"strconv"
	"strings"
)

func unix(t int64) string {
	if t == 0 {
		return ""
	}
	return strconv.FormatInt(t, 10)
}

// list joins values with spaces. Spaces within a value are encoded.
func list(values []string) string {
	if !slices.ContainsFunc(values, func(v string) bool { return !isVisible(v) }) {
		return strings.Join(values, " ")
	}
	encoded := make([]string, len(values))
	for i, v := range values {
		encoded[i] = visible(v)
	}
	return strings.Join(encoded, " ")
}

func isVisible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '%' {
			return false
		}
	}
	return true
}

// visible percent-encodes every byte that is not visible ASCII, and "%", so that
// the encoding can be undone.
func visible(s string) string {
	if isVisible(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '%' {
			b = append(b, '%', digits[c>>4], digits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
