package token

import (
	"strconv"
	"strings"

	"curfew.dev/curfew/internal/strictjson"
)

// date is a NumericDate (RFC 7519, 2) in Unix seconds, rounded down: a JSON
// number of at least 0 and below 2^53, which every parser reads alike.
func date(v strictjson.Value) (int64, bool) {
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
