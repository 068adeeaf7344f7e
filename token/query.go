package token

import "net/http"

const queryName = "access_token"

// QueryToken reports whether the query carries an access_token parameter (RFC
// 6750, 2.3), however a backend might read its name: in any case, percent-
// encoded, separated by ; or &, as an array, or with a dot, space or plus that
// some turn into the underscore. Such a token is in logs and histories already.
func QueryToken(r *http.Request) bool {
	q := r.URL.RawQuery
	for q != "" {
		end := 0
		for end < len(q) && q[end] != '&' && q[end] != ';' {
			end++
		}
		if isQueryName(q[:end]) {
			return true
		}
		q = q[min(end+1, len(q)):]
	}
	return false
}

// isQueryName reads a parameter's name as it goes, without allocating.
func isQueryName(s string) bool {
	at := 0
	for s != "" {
		c, size := queryByte(s)
		s = s[size:]
		switch {
		case c == ' ' && at == 0: // leading space is dropped
		case at == len(queryName):
			return c == '=' || c == '[' || c == ' ' || c == 0
		case c == queryName[at], queryName[at] == '_' && (c == '.' || c == ' '):
			at++
		default:
			return false
		}
	}
	return at == len(queryName)
}

// queryByte decodes the first byte and folds upper case and plus.
func queryByte(s string) (c byte, size int) {
	c, size = s[0], 1
	if c == '%' && len(s) >= 3 {
		high, ok1 := unhex(s[1])
		low, ok2 := unhex(s[2])
		if ok1 && ok2 {
			c, size = high<<4|low, 3
		}
	}
	switch {
	case 'A' <= c && c <= 'Z':
		c += 'a' - 'A'
	case c == '+':
		c = ' '
	}
	return c, size
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
