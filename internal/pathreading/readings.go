// Package pathreading lists the ways in which a server may read the path of a
// URL: with backslashes as slashes, with what is still percent-encoded decoded,
// without path parameters, cut at a NUL, and so on. A guard whose matcher is
// asked about every reading can't be passed by a path that a server behind reads
// in another way.
//
// The package must never leave a reading out to save work: it says that there
// are too many instead.
package pathreading

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// MaxLength is how long an ambiguous path may be, in bytes, to be read in all
// ways. There are many, and any client can ask for the work.
const MaxLength = 1 << 10

// maxReadings is how many readings of one path are made. No client sends a path
// with more of them by accident.
const maxReadings = 256

// Clean removes dot segments from a path, and if collapse is true, repeated
// slashes as well. It should do so as the caller's own matchers do.
type Clean func(path string, collapse bool) string

// Others are the other readings of a path that was decoded once. Few is false if
// there are too many of them: the caller must then take the path to match.
// Almost every path has none, which costs a look at its bytes.
func Others(u *url.URL, clean Clean) (others []string, few bool) {
	if !Ambiguous(u) {
		return nil, true
	}
	all := []string{u.Path}
	if literal := decodeBut(u.RawPath, '/'); u.RawPath != "" && literal != u.Path {
		all = append(all, literal)
	}
	for _, read := range []func(string) string{
		decode, decode, overlong, until("\x00"), until("?"), until("#"), backslashes, withoutParameters, withoutTails,
		withoutDots, withEmptyNames, withDotNames,
		// A server may take "//" for "/" as well, or only the steps of dot segments.
		func(p string) string { return clean(p, true) }, func(p string) string { return clean(p, false) },
	} {
		for _, p := range all {
			if other := read(p); !slices.Contains(all, other) {
				if all = append(all, other); len(all) > maxReadings {
					return nil, false
				}
			}
		}
	}
	return all[1:], true
}

// Ambiguous reports whether a path has anything that servers read differently.
func Ambiguous(u *url.URL) bool {
	return strings.Contains(u.RawPath, "%2f") || strings.Contains(u.RawPath, "%2F") || isAmbiguous(u.Path)
}

func isAmbiguous(path string) bool {
	for i := range len(path) {
		switch c := path[i]; c {
		case '\\', ';', '%', '?', '#', 0, 0xc0, 0xc1, 0xe0, 0xf0:
			return true
		case '/':
			if i > 0 && path[i-1] == '/' {
				return true
			}
		case '.', ' ':
			// A segment that begins or ends with one.
			if i > 0 && path[i-1] == '/' || i+1 == len(path) || path[i+1] == '/' {
				return true
			}
		}
	}
	return false
}

// decode decodes what is percent-encoded a second time; broken escapes stay.
func decode(path string) string { return decodeBut(path, 0) }

// decodeBut leaves one character encoded, for servers that route by segments
// before they decode them; 0 leaves none.
func decodeBut(path string, stays byte) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			var c [1]byte
			if _, err := hex.Decode(c[:], []byte(path[i+1:i+3])); err == nil && (stays == 0 || c[0] != stays) {
				b = append(b, c[0])
				i += 2
				continue
			}
		}
		b = append(b, path[i])
	}
	return string(b)
}

var overlongForms = strings.NewReplacer(
	"\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", `\`,
	"\xe0\x80\xae", ".", "\xe0\x80\xaf", "/", "\xe0\x81\x9c", `\`,
	"\xf0\x80\x80\xae", ".", "\xf0\x80\x80\xaf", "/", "\xf0\x80\x81\x9c", `\`,
)

// overlong decodes characters of UTF-8 that took more bytes than they need.
func overlong(path string) string { return overlongForms.Replace(path) }

func backslashes(path string) string { return strings.ReplaceAll(path, `\`, "/") }

// withoutParameters drops `;name=value` from each segment, as servlets do.
func withoutParameters(path string) string {
	return eachSegment(path, func(s string) string {
		s, _, _ = strings.Cut(s, ";")
		return s
	})
}

// until ends the path where C, a query or a fragment would. A server that cuts at
// one of them need not cut at the others.
func until(end string) func(string) string {
	return func(path string) string {
		path, _, _ = strings.Cut(path, end)
		return path
	}
}

// withoutTails drops the dots and spaces that Windows drops from names.
func withoutTails(path string) string {
	return eachSegment(path, func(s string) string {
		if strings.Trim(s, ".") == "" {
			return s
		}
		if s = strings.TrimRight(s, " "); strings.Trim(s, ".") == "" {
			return s
		}
		return strings.TrimRight(s, ". ")
	})
}

// withoutDots is how a server sees the path that drops dot segments without
// taking the step: what comes before them stays.
func withoutDots(path string) string {
	var kept []string
	for s := range strings.SplitSeq(path, "/") {
		if s != "." && s != ".." {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "/")
}

// aName stands for a segment that some server takes for a name like all others.
// No matcher has a meaning for it.
const aName = "\x7f"

// withEmptyNames is how a server sees the path to which "//" is not "/".
func withEmptyNames(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/"+aName+"/")
	}
	return path
}

// withDotNames is how a server sees the path to which ".." is no step.
func withDotNames(path string) string {
	return eachSegment(path, func(s string) string {
		if s == "." || s == ".." {
			return aName
		}
		return s
	})
}

func eachSegment(path string, change func(string) string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = change(s)
	}
	return strings.Join(segments, "/")
}
