package login

import (
	"net/url"
	"path"
	"strings"
)

const maxReturn = 1024 // bytes

// isReturnPath reports whether a browser that is sent to s stays at the
// origin: it begins with one slash, and is printable ASCII without a backslash,
// which browsers read as a slash.
func isReturnPath(s string) bool {
	if s == "" || s[0] != '/' || strings.HasPrefix(s, "//") {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// returnPath is where a browser goes after it signed in, by what a request asks
// for: that, without its query if it is too long, or the root.
func returnPath(wanted string) string {
	if len(wanted) > maxReturn {
		wanted, _, _ = strings.Cut(wanted, "?")
	}
	if len(wanted) > maxReturn || !isReturnPath(wanted) {
		return "/"
	}
	u, err := url.Parse(wanted)
	// Dot segments and escapes lead under /.curfew/ when a browser or a server has
	// resolved them.
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return "/"
	}
	if strings.HasPrefix(u.Path, Prefix) || strings.HasPrefix(path.Clean(u.Path)+"/", Prefix) {
		return "/"
	}
	return wanted
}
