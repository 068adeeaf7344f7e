package token

import "strings"

// normalURL returns the form in which two http and https URLs are compared (RFC
// 9449, 4.3; RFC 3986, 6.2.2 and 6.2.3), without query and fragment: scheme and
// host in lower case, no default port, percent-encoding only where it is needed and
// in upper case, no dot segments, and a path. It is not ok for anything else.
func normalURL(s string) (string, bool) {
	scheme, rest, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "https" && scheme != "http" {
		return "", false
	}
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	host, path := rest, "/"
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		host, path = rest[:slash], rest[slash:]
	}
	host, ok := normalHost(host, scheme)
	if !ok {
		return "", false
	}
	path, ok = normalPath(path)
	return scheme + "://" + host + path, ok
}

func normalHost(host, scheme string) (string, bool) {
	host = strings.ToLower(host)
	name, port := host, ""
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		name, port = host[:colon], host[colon+1:]
	}
	plain := name
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if plain = strings.ReplaceAll(inner, ":", ""); !ok {
			return "", false
		}
	}
	for i := range len(plain) {
		if !isUnreserved(plain[i]) {
			return "", false // user information among others
		}
	}
	if plain == "" || strings.Trim(port, "0123456789") != "" {
		return "", false
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return name, true
	}
	return name + ":" + port, true
}

// normalPath decodes what needs no encoding, encodes what may not stand in a path,
// and then removes dot segments.
func normalPath(path string) (string, bool) {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(path)+16)
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '%':
			if i+2 >= len(path) {
				return "", false
			}
			high, ok1 := unhex(path[i+1])
			low, ok2 := unhex(path[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			i += 2
			if c = high<<4 | low; isUnreserved(c) {
				b = append(b, c)
				continue
			}
		case isUnreserved(c), strings.IndexByte("/:@!$&'()*+,;=", c) >= 0:
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return withoutDots(string(b)), true
}

// withoutDots removes dot segments from an absolute path (RFC 3986, 5.2.4).
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// isUnreserved reports whether a character means the same encoded and not (RFC
// 3986, 2.3).
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
