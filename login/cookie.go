package login

import (
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Cookies are the names of our cookies.
type Cookies struct{ Session, Device, Attempt string }

var (
	secureCookies = Cookies{"__Host-curfew", "__Host-curfew-device", "__Host-curfew-attempt"}
	plainCookies  = Cookies{"curfew-dev", "curfew-dev-device", "curfew-dev-attempt"}
)

// CookiesOf are the names over https, or over http to a loopback host.
func CookiesOf(secure bool) Cookies {
	if secure {
		return secureCookies
	}
	return plainCookies
}

// isOurs reports whether a cookie name is one of ours.
func isOurs(name string) bool {
	const secure, plain = "__Host-curfew", "curfew-dev"
	rest, ok := cutFold(name, secure)
	if !ok {
		rest, ok = cutFold(name, plain)
	}
	return ok && (rest == "" || strings.EqualFold(rest, "-device") || strings.EqualFold(rest, "-attempt"))
}

// cutFold is [strings.CutPrefix] without regard to case. Some services look
// cookies up like that.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

const (
	// maxCookie is the largest cookie that is set, name and value, in bytes.
	// Browsers drop what is larger than 4,096.
	maxCookie = 4000

	deviceAge  = 400 * 24 * time.Hour // the longest that browsers keep a cookie
	attemptAge = time.Hour
)

// setCookie sets a cookie of ours. An age of 0 keeps it until the browser closes.
func setCookie(h http.Header, name, value string, age time.Duration) {
	line := (&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: name[0] == '_', HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}).String()
	if !slices.Contains(h["Set-Cookie"], line) { // a guard and a site may both delete one
		h.Add("Set-Cookie", line)
	}
}

// Delete has the browser delete a cookie of ours, which must have one of the
// names of [CookiesOf].
func Delete(h http.Header, name string) { setCookie(h, name, "", -time.Second) }

// Read returns the value of a cookie without allocating. two tells that there
// are several of the name; none of them counts then.
func Read(h http.Header, name string) (value string, two bool) {
	found := false
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			n, v, _ := strings.Cut(pair, "=")
			if textproto.TrimString(n) != name {
				continue
			}
			if found {
				return "", true
			}
			value, found = textproto.TrimString(v), true
		}
	}
	return value, false
}

// StripRequest takes our cookies out of a request. The other cookies stay as they
// are. It returns the headers as they were, or nil if nothing was taken out of
// them. The remaining cookies are put into room.
func StripRequest(h http.Header, room []string) (before []string) {
	lines := h["Cookie"]
	if !slices.ContainsFunc(lines, func(line string) bool { return line == "" || stripped(line) != line }) {
		return nil
	}
	kept := room[:0]
	for _, line := range lines {
		if line = stripped(line); line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return lines
	}
	h["Cookie"] = kept[:len(kept):len(kept)]
	return lines
}

// stripped is a Cookie header without our cookies. It allocates only where
// others are on both sides of one of ours.
func stripped(line string) string {
	for at := 0; at < len(line); {
		end := len(line)
		if i := strings.IndexByte(line[at:], ';'); i >= 0 {
			end = at + i
		}
		name, _, _ := strings.Cut(line[at:end], "=")
		if !isOurs(textproto.TrimString(name)) {
			at = end + 1
			continue
		}
		before, after := line[:at], ""
		if end < len(line) {
			after = line[end+1:]
		}
		switch {
		case textproto.TrimString(before) == "":
			line, at = strings.TrimLeft(after, " \t"), 0
		case textproto.TrimString(after) == "":
			return strings.TrimRight(before, "; \t")
		default:
			line = before + after
		}
	}
	return line
}

// StripResponse takes our cookies out of what an upstream sets.
func StripResponse(h http.Header) {
	lines := h["Set-Cookie"]
	if !slices.ContainsFunc(lines, setsOurs) {
		return
	}
	// The upstream's header may be shared: it is replaced, not changed.
	if kept := slices.DeleteFunc(slices.Clone(lines), setsOurs); len(kept) > 0 {
		h["Set-Cookie"] = kept
		return
	}
	delete(h, "Set-Cookie")
}

func setsOurs(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	// Some browsers take "=name=value" for a cookie of that name.
	name, _, _ := strings.Cut(strings.TrimLeft(pair, "= \t"), "=")
	return isOurs(textproto.TrimString(name))
}

// HostOf is the host of a request as sessions are bound to it: lower case, no
// port, no final dot, no brackets. It does not allocate for a host in lower case.
func HostOf(r *http.Request) string {
	host := r.Host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 && (host[0] == '[' || strings.IndexByte(host, ':') == i) {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
