package pathreading

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func readings(u *url.URL) (others []string, few bool) { return Others(u, caddyhttp.CleanPath) }

func TestReadings(t *testing.T) {
	for path, want := range map[string]string{
		`/public/..\admin`:               "/public/../admin",
		"/public/..%5cadmin":             "/public/../admin",
		"/public/%2e%2e/admin":           "/public/../admin",
		"/public/%252e%252e/admin":       "/public/../admin",
		"/public/..;x=y/admin":           "/public/../admin",
		"/public/.. /admin":              "/public/../admin",
		"/public/\xc0\xae\xc0\xae/x":     "/public/../x",
		`/x\admin`:                       "/x/admin",
		"/admin;v=1/users":               "/admin/users",
		"/admin\x00/../public/x":         "/admin",
		"/admin#/../public/x":            "/admin",
		"/\x00/../admin#":                "/\x00/../admin",
		"/admin/../public/x":             "/admin/public/x",
		"/admin./users":                  "/admin/users",
		"/public\xc1\x9c..\xc1\x9cadmin": "/public/../admin",
		"/public/\xf0\x80\x80\xae./x":    "/public/../x",
		"//public/x":                     "/\x7f/public/x",
		"/public/%5c%2e%2e%5c..;a/x":     "/public//../../x",
		"/public//../x/y":                "/public/x/y",
		"/./public//z":                   "/public/z",
		"/public/%25%32%65%25%32%65/xy":  "/public/../xy",
	} {
		if got, _ := readings(&url.URL{Path: path}); !slices.Contains(got, want) {
			t.Errorf("%q: %q is not among %q", path, want, got)
		}
	}
	for _, path := range []string{"/", "/public/x", "/a/b.c/d-e_f~g", "/zoë/ü.html", "/v1.2/x", "/a b/c"} {
		if got, _ := readings(&url.URL{Path: path}); got != nil {
			t.Errorf("%q: has other readings %q", path, got)
		}
	}
}

// A slash that was encoded may be part of a name.
func TestReadingsKeepEncodedSlashes(t *testing.T) {
	u, err := url.ParseRequestURI("/public%2fx")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := readings(u); !slices.Contains(got, "/public%2fx") {
		t.Errorf("got %q", got)
	}
}

// What a stranger can make the gateway do for one path is bounded.
func BenchmarkReadingsOfTheWorstPath(b *testing.B) {
	b.ReportAllocs()
	path := strings.Repeat("/..;a%255c%2e./\\\xc0\xae\x00#", MaxLength)[:MaxLength]
	u := &url.URL{Path: path, RawPath: path}
	for b.Loop() {
		readings(u)
	}
}

func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"/", "/a/../b", `/a\..;x/%5c%252e/`, "/\x00#?", "/%", "/%zz%4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, _ := readings(&url.URL{Path: path, RawPath: path})
		if len(got) > maxReadings {
			t.Errorf("%d readings of %q", len(got), path)
		}
		if slices.Contains(got, path) {
			t.Errorf("the path itself is among the readings of %q", path)
		}
	})
}

func BenchmarkReadingsOfAnEverydayPath(b *testing.B) {
	b.ReportAllocs()
	u := &url.URL{Path: "/api/v1/accounts/1234/orders"}
	for b.Loop() {
		if others, _ := readings(u); others != nil {
			b.Fatal("ambiguous")
		}
	}
}
