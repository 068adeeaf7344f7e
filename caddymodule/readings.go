package caddymodule

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(new(AnyReading)) }

// AnyReading matches a request if the matchers in it match any way in which a
// server behind the gateway may read its path: with backslashes as slashes,
// with what is still percent-encoded decoded, without path parameters, cut at
// a NUL, and so on. The Caddyfile puts a guard's matcher into one, so that
// `/public/..%5cadmin` meets the guard of `/admin` as well.
//
// A reading is a request of its own: its URL, its request URI and every
// placeholder of the path follow it. What a handler computed from the path
// before can't follow, so a guard whose matcher reads that is refused at load.
//
// An extended CONNECT, such as a WebSocket over HTTP/2 or 3, is also matched as
// the upgrade over HTTP/1.1 that an upstream gets in its place, and a Host also
// in lower case and without a dot at its end.
//
// It can only make a guard apply more often, never less.
type AnyReading struct {
	// The matchers, as in a route.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	sets   caddyhttp.MatcherSets
	nested bool // in another one, which gives it each reading
}

// CaddyModule returns the Caddy module information.
func (*AnyReading) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.curfew_any_reading", New: func() caddy.Module { return new(AnyReading) }}
}

// Provision loads the matchers.
func (m *AnyReading) Provision(ctx caddy.Context) error {
	for _, parent := range ctx.Modules() {
		switch parent.(type) {
		case *Guard:
			m.nested = true // every guard asks its matcher about every reading
		case *AnyReading:
			m.nested = m.nested || parent != m
		}
	}
	return m.load(ctx)
}

func (m *AnyReading) load(ctx caddy.Context) error {
	loaded, err := ctx.LoadModule(m, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading the guard's matcher: %w", err)
	}
	return m.sets.FromInterface(loaded)
}

// MatchWithError asks the matchers about the request as it came and, if a server
// may take it for another one, about that too.
func (m *AnyReading) MatchWithError(r *http.Request) (bool, error) {
	matched, err := m.matchUpgrades(r)
	if err != nil || matched || m.nested {
		return matched, err
	}
	if host := plainHost(r.Host); host != r.Host {
		return m.matchUpgrades(seen(r, func(other *http.Request) { other.Host = host }, func(name string) bool {
			return name == "http.request.hostport" || name == "http.request.host" || strings.HasPrefix(name, "http.request.host.")
		}))
	}
	return false, nil
}

// matchUpgrades also asks about what reaches an upstream in the place of an
// extended CONNECT.
func (m *AnyReading) matchUpgrades(r *http.Request) (bool, error) {
	matched, err := m.matchPaths(r)
	if err != nil || matched || m.nested || extended(r) == "" {
		return matched, err
	}
	return m.matchPaths(upgrading(r))
}

// plainHost is a Host in lower case and without the dots at the end of a name:
// servers that choose by it see no difference, and placeholders do.
func plainHost(host string) string {
	host = strings.ToLower(host)
	if strings.HasSuffix(host, ".") {
		return strings.TrimRight(host, ".")
	}
	if name, port, ok := strings.Cut(host, ".:"); ok {
		return strings.TrimRight(name, ".") + ":" + port
	}
	return host
}

// seen is the request as a server sees it to which something else was sent. Of
// the placeholders, those differ that are asked for by these names.
func seen(r *http.Request, change func(*http.Request), differs func(name string) bool) *http.Request {
	ctx := r.Context()
	other := r.WithContext(ctx)
	change(other)
	sent, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return other
	}
	var ofOther *caddy.Replacer
	all := caddy.NewEmptyReplacer()
	all.Map(func(name string) (any, bool) {
		if !differs(name) {
			return sent.Get(name)
		}
		if ofOther == nil { // most matchers ask for none
			ofOther = caddyhttp.NewTestReplacer(&http.Request{Method: other.Method, Host: other.Host, Header: other.Header, URL: other.URL})
		}
		return ofOther.Get(name)
	})
	return other.WithContext(context.WithValue(ctx, caddy.ReplacerCtxKey, all))
}

// matchPaths asks about the path as it is and, if it can be read in another way,
// as that too.
func (m *AnyReading) matchPaths(r *http.Request) (bool, error) {
	matched, err := m.sets.AnyMatchWithError(r)
	if err != nil || matched || m.nested {
		return matched, err
	}
	if len(r.URL.Path) > maxReadable && ambiguous(r.URL) {
		return true, nil
	}
	if r.URL.RawPath != "" {
		// {uri} is the path as it was encoded: `/%61dmin`.
		if matched, err := m.sets.AnyMatchWithError(reading(r, r.URL.Path)); err != nil || matched {
			return matched, err
		}
	}
	others, few := readings(r.URL)
	if !few {
		return true, nil
	}
	for _, path := range others {
		if matched, err := m.sets.AnyMatchWithError(reading(r, path)); err != nil || matched {
			return matched, err
		}
	}
	return false, nil
}

// reading is the request as a server sees it that reads its path as this one.
// The matchers that it is given can set no placeholder of the request itself.
func reading(r *http.Request, path string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = path, ""
	ctx := r.Context()
	if sent, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, follow(sent, &u))
	}
	if original, ok := ctx.Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL.Path == r.URL.Path {
		original.URL, original.RequestURI = &u, u.RequestURI()
		ctx = context.WithValue(ctx, caddyhttp.OriginalRequestCtxKey, original)
	}
	other := r.WithContext(ctx)
	other.URL, other.RequestURI = &u, u.RequestURI()
	return other
}

// follow answers for the placeholders of the path by u, and for all others as
// the replacer of the request does.
func follow(sent *caddy.Replacer, u *url.URL) *caddy.Replacer {
	var ofPath *caddy.Replacer
	all := caddy.NewEmptyReplacer()
	all.Map(func(name string) (any, bool) {
		if !followsPath(name) {
			return sent.Get(name)
		}
		if ofPath == nil { // most matchers ask for none
			ofPath = caddyhttp.NewTestReplacer(&http.Request{URL: u})
		}
		return ofPath.Get(name)
	})
	return all
}

// maxReadable is how long an ambiguous path may be, in bytes, to be read in all
// ways: they are many, and work that a stranger can ask for. A longer one is
// taken to match.
const maxReadable = 1 << 10

// maxReadings is how many ways to read one path are tried. A path that can be
// read in more ways, which nobody writes by accident, is taken to match.
const maxReadings = 256

// readings are the other ways to read a path that was decoded once, unless
// there are too many of them. Almost every path has none, which costs a look at
// its bytes.
func readings(u *url.URL) (others []string, few bool) {
	if !ambiguous(u) {
		return nil, true
	}
	all := []string{u.Path}
	if literal := decodeBut(u.RawPath, '/'); u.RawPath != "" && literal != u.Path {
		all = append(all, literal)
	}
	for _, read := range []func(string) string{
		decode, decode, overlong, until("\x00"), until("?"), until("#"), backslashes, withoutParameters, withoutTails,
		withoutDots, withEmptyNames, withDotNames, clean, cleanButSlashes,
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

// ambiguous reports whether a path has anything that servers read differently.
func ambiguous(u *url.URL) bool {
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

// until ends the path where C, a query or a fragment would: who cuts at one of
// them need not cut at the others.
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
// Caddy's matchers know nothing of it.
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

// clean is how a server sees the path that takes the steps of dot segments and
// "//" for "/". Caddy's own matchers of paths do so, placeholders don't.
func clean(path string) string { return caddyhttp.CleanPath(path, true) }

// cleanButSlashes takes only the steps.
func cleanButSlashes(path string) string { return caddyhttp.CleanPath(path, false) }

func eachSegment(path string, change func(string) string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = change(s)
	}
	return strings.Join(segments, "/")
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*AnyReading)(nil)
	_ caddyhttp.RequestMatcherWithError = (*AnyReading)(nil)
)
