package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/seedtest"
)

// attackLines are ways to write /expr/x that Caddy's placeholders show as they
// came.
var attackLines = []string{
	"/expr/x", "//expr/x", "/./expr/x", "/public/..%5cexpr/x", "/%65xpr/x", "/expr/./x", "/expr//x", "/public/../expr/x", "/public//../expr/x",
	"/public/%2e%2e/expr/x", "/public/%252e%252e/expr/x", "/public/..;a=b/expr/x", "/expr%2fx", "/%2e/expr/x", "/expr/y/../x", "/expr/x%00/y",
	"/;a/expr/x", "///expr///x", "/expr/x;v=1", "/expr/%78",
}

// Whichever matcher sees the path, the guard meets every way to write it.
func TestAMatcherThatReadsThePathByAPlaceholderGetsEveryReading(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "expr"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "expr", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, matcher := range []string{
		"path /expr/x",
		"path_regexp ^/expr/x$",
		`expression {path} == "/expr/x"`,
		`expression {path}.startsWith("/expr/x")`,
		`expression {uri}.startsWith("/expr/x")`,
		`expression {http.request.uri.path.0} == "expr" && {path.1} == "x"`,
		`expression {dir} == "/expr/" && {file} == "x"`,
		"expression path('/expr/x')",
		"expression path_regexp('^/expr/x$')",
		"expression url_pattern('/expr/:id')",
		"expression `!{path}.startsWith('/public/') && !{path}.startsWith('/open')`",
		"vars {path} /expr/x",
		"vars {uri} /expr/x",
		"vars_regexp {path} ^/expr/x",
		"vars_regexp {http.request.uri} ^/expr/x",
		"not vars_regexp {path} ^/(public/|open)",
		"not expression {path}.startsWith(\"/public/\") || {path} == \"/open\"",
		"not not vars_regexp {path} ^/expr/x",
		"url_pattern /expr/x",
		"file {path} {\n\t\t\troot " + root + "\n\t\t}",
		"file {\n\t\t\troot " + root + "\n\t\t}",
		"header X-Is {path}",
		"query is={path}",
		"path /{http.request.uri.path.0}/x",
	} {
		t.Run(matcher, func(t *testing.T) {
			g := start(t, global, strings.Replace(sites, "@guarded not path /public /public/*", "@guarded {\n\t\t"+matcher+"\n\t}", 1))
			targets := attackLines
			lines := ""
			switch {
			case strings.HasPrefix(matcher, "header"):
				lines = "X-Is: /expr/x\n"
			case strings.HasPrefix(matcher, "query"):
				targets = nil
				for _, line := range attackLines {
					targets = append(targets, line+"?is=/expr/x")
				}
			}
			for _, target := range targets {
				before := g.upstream.count()
				a := g.ask("GET", target, strings.Split(strings.TrimSpace(lines), "\n")...)
				if g.upstream.count() != before {
					t.Errorf("%s reached the upstream without a credential (%d)", target, a.StatusCode)
				}
			}
			// Refusing everything would pass this test.
			if matcher != "path /{http.request.uri.path.0}/x" {
				if a := g.ask("GET", "/open"); a.StatusCode != 200 {
					t.Errorf("/open: %d", a.StatusCode)
				}
			}
		})
	}
}

// P3 for guards that read the path by placeholders.
func TestP3StrictestReadingDecidesByPlaceholders(t *testing.T) {
	by := strings.NewReplacer(
		"@guarded not path /public /public/*", "@guarded expression `!{path}.lowerAscii().startsWith('/public/') && {path}.lowerAscii() != '/public'`",
		"@billing path /billing /billing/*", "@billing vars_regexp {uri} (?i)^/billing([/?]|$)")
	decidesByTheStrictestReading(t, start(t, global, by.Replace(sites)))
}

// strangeMatcher is a matcher of somebody else, that looks at the path wherever
// a request shows it.
type strangeMatcher struct {
	At string `json:"at"`
}

func (strangeMatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.curfew_test_strange", New: func() caddy.Module { return new(strangeMatcher) }}
}

// strangeMatches counts how often it was asked.
var strangeMatches atomic.Int64

func (m strangeMatcher) MatchWithError(r *http.Request) (bool, error) {
	strangeMatches.Add(1)
	const wanted = "/expr/x"
	switch m.At {
	case "uri":
		return strings.HasPrefix(r.RequestURI, wanted), nil
	case "escaped":
		return strings.HasPrefix(r.URL.EscapedPath(), wanted), nil
	case "original":
		return r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request).URL.Path == wanted, nil
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return repl.ReplaceAll(m.At, "") == wanted, nil
}

// strangeHandler is a handler of somebody else, with routes in it.
type strangeHandler struct {
	Routes caddyhttp.RouteList `json:"routes"`
}

func (strangeHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.curfew_test_strange", New: func() caddy.Module { return new(strangeHandler) }}
}

func (h *strangeHandler) Provision(ctx caddy.Context) error { return h.Routes.Provision(ctx) }

func (h *strangeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.Routes.Compile(next).ServeHTTP(w, r)
}

func init() {
	caddy.RegisterModule(strangeMatcher{})
	caddy.RegisterModule(new(strangeHandler))
}

// A matcher of another module is given each reading wherever a request shows
// its path.
func TestAMatcherOfAnotherModuleGetsEveryReading(t *testing.T) {
	g := prepare(t)
	config, err := g.config(global, strings.Replace(sites, "@guarded not path /public /public/*", "@guarded path /expr/x", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"uri", "escaped", "original", "{http.request.uri.path}", "{http.request.uri}"} {
		changed := strings.Replace(string(config), `{"path":["/expr/x"]}`, `{"curfew_test_strange":{"at":"`+at+`"}}`, 1)
		if changed == string(config) {
			t.Fatalf("the guard is not in %s", config)
		}
		g.loadJSON(changed)
		g.awaitReady()
		g.walk("", attackLines, func(target string, status int, reached bool) {
			if reached {
				t.Errorf("%s: %q reached the upstream (%d)", at, target, status)
			}
		})
	}
}

// What a stranger can ask for is bounded: each reading is asked about once.
func TestAMatcherIsAskedAboutEachReadingOnce(t *testing.T) {
	g := prepare(t)
	config, err := g.config(global, strings.Replace(sites, "@guarded not path /public /public/*", "@guarded path /expr/x", 1))
	if err != nil {
		t.Fatal(err)
	}
	g.loadJSON(strings.Replace(string(config), `{"path":["/expr/x"]}`, `{"curfew_test_strange":{"at":"nowhere"}}`, 1))
	g.awaitReady()
	before := strangeMatches.Load()
	g.walk("", []string{"/x%20/..;a%5c%2541/.%23y"}, func(string, int, bool) {})
	if asked := strangeMatches.Load() - before; asked < 10 || asked > 257 {
		t.Errorf("asked %d times", asked)
	}
}

// A guard in routes that nobody can look into may read nothing that a handler
// could have made of the path.
func TestAGuardInAHandlerOfAnotherModuleReadsNoVariables(t *testing.T) {
	g := prepare(t)
	for matcher, refused := range map[string]bool{`"vars":{"area":["admin"]}`: true, `"vars":{"{http.request.uri.path}":["/admin"]}`: false} {
		config, err := g.config(global, sites)
		if err != nil {
			t.Fatal(err)
		}
		guard := `{"handler":"vars","area":"public"},{"handler":"curfew_test_strange","routes":[{"handle":[{"handler":"curfew","match":[{` + matcher + `}]}]}]},{"handler":"curfew"`
		changed := strings.Replace(string(config), `{"handler":"curfew"`, guard, 1)
		if err := gatewaytest.Validate([]byte(changed)); (err != nil) != refused || refused && !strings.Contains(err.Error(), "{http.vars.area}") {
			t.Errorf("%s: %v", matcher, err)
		}
	}
}

// A guard asks about every reading whether or not its JSON says so.
func TestAGuardInJSONGetsEveryReading(t *testing.T) {
	g := prepare(t)
	config, err := g.config(global, strings.Replace(sites, "@guarded not path /public /public/*", "@guarded path /expr/x", 1))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := `{"curfew_any_reading":{"match":[{"path":["/expr/x"]}]}}`
	bare := strings.Replace(string(config), wrapped, `{"path":["/expr/x"]}`, 1)
	within := strings.Replace(string(config), wrapped, `{"not":[{"not":[`+wrapped+`]}]}`, 1)
	for _, changed := range []string{bare, within} {
		if changed == string(config) {
			t.Fatalf("the guard is not in %s", config)
		}
		g.loadJSON(changed)
		g.awaitReady()
		g.walk("", attackLines, func(target string, status int, reached bool) {
			if reached {
				t.Errorf("%q reached the upstream (%d)", target, status)
			}
		})
	}
}

// What a handler made of the path before can't be asked again.
func TestAMatcherThatCannotBeAskedAgainIsRefused(t *testing.T) {
	const computes = "computes from the path as sent"
	for _, c := range []struct{ before, matcher, want string }{
		{"", "expression {orig_path}.startsWith(\"/expr\")", "{http.request.orig_uri.path}, the path from before any rewrite"},
		{"", "vars {orig_uri} /expr/x", "{http.request.orig_uri}"},
		{"", "vars area admin", "{http.vars.area}"},
		{"", "expression {http.vars.area} == \"admin\"", "{http.vars.area}"},
		{"", "expression vars({'area': 'admin'})", "vars(…)"},
		{"", "expression ph(req, 'http.request.' + 'orig_uri') == 'x'", "ph(…)"},
		{"", "not vars_regexp {re.x.1} ^admin", "{http.regexp.x.1}"},
		{"", "expression {nobody.knows} == 'x'", "{nobody.knows}"},
		{"", "expression {file_match.relative} == '/expr/x'", "{http.matchers.file.relative}"},
		{"vars area {path.0}", "vars area admin", computes},
		{"vars /admin/* area admin", "vars area admin", computes},
		{"@x path_regexp ^/admin\n\tvars @x area admin", "not vars area public", computes},
		{"vars one {path}\n\tvars area {http.vars.one}", "vars area admin", "{http.vars.area}"},
		{"map {path} {area} {\n\t\t/admin admin\n\t\tdefault public\n\t}", "expression {area} == 'admin'", "`map` " + computes},
		{"map {host} {area} {\n\t\ta {path}\n\t}", "vars {area} admin", computes},
		{"root /admin/* /srv", "file /x", "{http.vars.root}, which `vars` " + computes},
		{"rewrite * /index?p={path}", "query p=/admin", "{http.request.uri.query.p}, which `rewrite` " + computes},
		{"rewrite /admin/* /index?area=admin", "query area=admin", computes},
		{"uri query area {path}", "expression query({'area': 'admin'})", computes},
		{"method /admin/* PUT", "method PUT", "{http.request.method}, which `method` " + computes},
	} {
		t.Run(c.before+" "+c.matcher, func(t *testing.T) {
			err := load(t, "", "\t"+c.before+"\n\t@guarded {\n\t\t"+c.matcher+"\n\t}\n\tcurfew @guarded\n\trespond ok\n")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "match the path itself") ||
				!regexp.MustCompile(`, at Caddyfile:\d+`).MatchString(err.Error()) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	// The same in a route, where handlers stand in any order.
	for _, c := range []struct{ before, matcher, want string }{
		{"request_header X-Path {path}", "header_regexp X-Path ^/admin", "{http.request.header.X-Path}, which `request_header` " + computes},
		{"request_header x-path {uri}", "header X-Path /admin*", computes},
		{"request_header /admin/* X-Area admin", "expression {header.X-Area} == 'admin'", computes},
		{"request_header /admin/* -X-Public", "not header X-Public *", computes},
		{"request_header Cookie area={path}", "expression {cookie.area} == '/admin'", computes},
		{"request_header Host {path.0}", "host admin", computes},
		{"forward_auth auth:80 {\n\t\turi /x\n\t\tcopy_headers X-Area\n\t}", "header X-Area admin", "{http.request.header.X-Area}"},
		{"vars area {path}\n\tvars {\n\t\tarea public\n\t}", "vars area admin", computes},
		{"@x expression path('/admin/*')\n\tvars @x area admin", "vars area admin", computes},
		{"handle /admin/* {\n\t\tvars area admin\n\t}\n\thandle {\n\t\tvars area public\n\t}", "vars area admin", computes},
		{"handle /admin/* {\n\t\trespond no\n\t}\n\thandle {\n\t\tvars area public\n\t}", "vars area public", computes},
	} {
		t.Run("route "+c.before+" "+c.matcher, func(t *testing.T) {
			err := load(t, "", "\t@guarded {\n\t\t"+c.matcher+"\n\t}\n\troute {\n\t"+c.before+"\n\tcurfew @guarded\n\trespond ok\n\t}\n")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// What has nothing to do with the path goes on to work.
func TestAMatcherThatReadsOtherThingsIsTaken(t *testing.T) {
	for _, c := range []struct{ before, matcher string }{
		{"", "method POST"},
		{"", "expression {method} == 'POST' && {host} == 'a' && {header.X} != '' && {cookie.a} != '' && {query.a} != '' && {env.HOME} != ''"},
		{"", "expression {client_ip} == '127.0.0.1' && {remote_host} != '' && {tls_version} == ''"},
		{"", "expression {path}.matches('^/x{2}y{2,3}$')"},
		{"", "expression `header({'X': ['a', 'b']}) && method('GET') && host('a')`"},
		{"", "header_regexp X ^{path}$"},
		{"", "vars {client_ip} 127.0.0.1"},
		{"", "client_ip 10.0.0.0/8"},
		{"", "file /maintenance"},
		{"root /srv", "file"},
		{"vars area public", "vars area admin"},
		{"@post method POST\n\tvars @post area admin", "vars area admin"},
		{"map {header.X-Area} {area} {\n\t\tadmin yes\n\t}", "vars {area} yes"},
		{"request_header X-Path {path}", "header_regexp X-Path ^/admin"}, // runs after the guard
		{"rewrite /old/* /new?{query}&b={path}", "query token=*"},
		{"@h host other.example.com\n\troute @h {\n\t\tvars /x area {path}\n\t\trespond no\n\t}\n", "file /x"},
	} {
		t.Run(c.before+" "+c.matcher, func(t *testing.T) {
			if err := load(t, "", "\t"+c.before+"\n\t@guarded {\n\t\t"+c.matcher+"\n\t}\n\tcurfew @guarded\n\trespond ok\n"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A route that reaches a guarded upstream without a guard, and a guard that
// never runs, are told with host, matcher, upstream and the guard's line.
func TestHolesThatTheConfigurationShowsAreWarnedOf(t *testing.T) {
	const (
		open  = "a route reaches a guarded upstream without a guard | "
		never = "a guard never runs, because "
	)
	for _, c := range []struct {
		name, sites string
		want        []string
	}{
		{
			"the issue's", "app.example.com {\nhandle /public/* {\nreverse_proxy app:80\n}\nhandle {\ncurfew\nreverse_proxy app:80\n}\n}",
			[]string{open + "app.example.com | path /public/* | app:80 | Caddyfile:21"},
		},
		{"guard at the top", "app.example.com {\ncurfew\nhandle /public/* {\nreverse_proxy app:80\n}\nhandle {\nreverse_proxy app:80\n}\n}", nil},
		{"guard with a matcher at the top", "app.example.com {\n@g not path /public/*\ncurfew @g\nreverse_proxy app:80\n}", nil},
		{"other upstream", "app.example.com {\nhandle /public/* {\nreverse_proxy assets:80\n}\nhandle {\ncurfew\nreverse_proxy app:80\n}\n}", nil},
		{
			"handle_path", "app.example.com {\nhandle_path /api/* {\nreverse_proxy app:80\n}\nhandle {\ncurfew\nreverse_proxy app:80\n}\n}",
			[]string{open + "app.example.com | path /api/* | app:80 | Caddyfile:21"},
		},
		{
			"other site", "app.example.com {\ncurfew\nreverse_proxy app:80\n}\nold.example.com, older.example.com {\n@m method GET\nreverse_proxy @m app:80\n}",
			[]string{open + "old.example.com older.example.com | method GET | app:80 | Caddyfile:17"},
		},
		{"other port without a guard", "app.example.com {\ncurfew\nreverse_proxy app:80\n}\n:8081 {\nreverse_proxy app:80\n}", nil},
		{
			"spellings", "app.example.com {\nhandle /a/* {\nreverse_proxy LOCALHOST:9000\n}\nhandle {\ncurfew\nreverse_proxy http://127.0.0.1:9000 http://other:80\n}\n}",
			[]string{open + "app.example.com | path /a/* | LOCALHOST:9000 | Caddyfile:21"},
		},
		{
			"php", "app.example.com {\nroot /srv\nhandle /a/* {\nphp_fastcgi unix//run/php.sock\n}\nhandle {\ncurfew\nphp_fastcgi unix//run/php.sock\n}\n}",
			[]string{open + "app.example.com | path /a/*, path *.php | unix//run/php.sock | Caddyfile:22"},
		},
		{
			"route", "app.example.com {\nroute /a/* {\nreverse_proxy app:80\n}\nroute {\ncurfew\nreverse_proxy app:80\n}\n}",
			[]string{open + "app.example.com | path /a/* | app:80 | Caddyfile:21"},
		},
		{
			"guard in a matched route", "app.example.com {\nroute /admin/* {\ncurfew\n}\nreverse_proxy app:80\n}",
			[]string{open + "app.example.com |  | app:80 | Caddyfile:18"},
		},
		{
			"named route", "&(app) {\nreverse_proxy app:80\n}\napp.example.com {\nhandle /a/* {\ninvoke app\n}\nhandle {\ncurfew\ninvoke app\n}\n}",
			[]string{open + "app.example.com | path /a/* | app:80 | Caddyfile:24"},
		},
		{
			"guard in a named route", "&(app) {\nroute {\ncurfew\nreverse_proxy app:80\n}\n}\napp.example.com {\nhandle /a/* {\ninvoke app\n}\nreverse_proxy /b/* app:80\n}",
			[]string{open + "app.example.com | path /b/* | app:80 | Caddyfile:18"},
		},
		{
			"errors", "app.example.com {\ncurfew\nreverse_proxy app:80\nhandle_errors 404 {\nreverse_proxy app:80\n}\n}",
			[]string{open + "app.example.com | handle_errors, expression {http.error.status_code} in [404] | app:80 | Caddyfile:17"},
		},
		{
			"handle_response", "app.example.com {\nhandle /a/* {\nreverse_proxy auth:80 {\nhandle_response {\nreverse_proxy app:80\n}\n}\n}\nhandle {\ncurfew\nreverse_proxy app:80\n}\n}",
			[]string{open + "app.example.com | path /a/* | app:80 | Caddyfile:25"},
		},
		{
			"dynamic", "app.example.com {\nhandle /a/* {\nreverse_proxy {\ndynamic a app 80 {\nrefresh 5s\n}\n}\n}\nhandle {\ncurfew\nreverse_proxy {\ndynamic a app 80\n}\n}\n}",
			[]string{open + "app.example.com | path /a/* | dynamic a app 80 | Caddyfile:25"},
		},
		{
			"guard behind the proxy", "app.example.com {\nroute {\nreverse_proxy app:80\ncurfew\n}\n}",
			[]string{never + "`reverse_proxy` before it answers every request | app.example.com |  |  | Caddyfile:19"},
		},
		{
			"guard behind an answer", "app.example.com {\nroute /a/* {\nrespond ok\ncurfew\nreverse_proxy app:80\n}\n}",
			[]string{never + "`respond` before it answers every request | app.example.com | path /a/* |  | Caddyfile:19"},
		},
		{
			"guard behind handles", "app.example.com {\nroute {\nhandle /a/* {\nreverse_proxy app:80\n}\nhandle {\nfile_server\n}\ncurfew\n}\n}",
			[]string{never + "`file_server` before it answers every request | app.example.com |  |  | Caddyfile:24"},
		},
		{"guard behind some answers", "app.example.com {\nroute {\nrespond /health ok\nfile_server {\npass_thru\n}\ncurfew\nreverse_proxy app:80\n}\n}", nil},
		{
			"forward_auth, as its own site and elsewhere",
			"app.example.com {\ncurfew\nforward_auth auth:80 {\nuri /verify?rd=x\n}\nreverse_proxy app:80\n}\nb.example.com {\nforward_auth auth:80 {\nuri /verify\n}\nreverse_proxy b:80\n}\nauth.example.com {\nreverse_proxy auth:80\n}",
			nil,
		},
		{
			"forward_auth with a path of the client's", "app.example.com {\ncurfew\nreverse_proxy app:80\n}\nb.example.com {\nforward_auth app:80 {\nuri /verify{uri}\n}\nreverse_proxy b:80\n}",
			[]string{open + "b.example.com |  | app:80 | Caddyfile:17"},
		},
		{"guard behind forward_auth", "app.example.com {\nroute {\nforward_auth auth:80 {\nuri /x\n}\ncurfew\nreverse_proxy app:80\n}\n}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			warnings, err := loadLogged(t, "", c.sites)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range warnings {
				got = append(got, w.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			_, err = loadLogged(t, "strict_sites", strings.ReplaceAll(c.sites, "\n", " \n"))
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("strict_sites: %v", err)
			}
			for _, w := range warnings {
				for _, part := range []string{"strict_sites: ", w.Msg, w.Host, w.Matcher, w.Upstream, "Caddyfile:"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("strict_sites: %q is not in %v", part, err)
					}
				}
			}
		})
	}
}

// JSON configurations have no lines, and routes that the Caddyfile can't write.
func TestHolesInJSONAreErrorsWithStrictSites(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	const (
		proxy = `{"handler":"reverse_proxy","upstreams":[{"dial":"app:80"}]}`
		guard = `{"handler":"curfew"}`
	)
	for _, c := range []struct{ name, routes, want string }{
		{"matchers of the route", `{"match":[{"path":["/admin/*"]}],"handle":[` + guard + `]},{"handle":[` + proxy + `]}`, "host :8080, upstream app:80; the guard is at server a"},
		{"one of two", `{"match":[{"path":["/admin/*"]}],"handle":[` + guard + `,` + proxy + `]},{"handle":[` + proxy + `]}`, "host :8080, upstream app:80; the guard is at server a"},
		{"behind errors that were handled", `{"match":[{"path":["/a"]}],"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"error"}]}],"errors":{"routes":[{"handle":[{"handler":"vars"}]}]}},` +
			proxy + `]},{"handle":[` + guard + `,` + proxy + `]}`, "matcher path /a, upstream app:80; the guard is at server a"},
		{"behind an answer", `{"handle":[{"handler":"static_response"},` + guard + `]}`, "a guard never runs"},
		{"behind a terminal route", `{"handle":[{"handler":"vars"}],"terminal":true},{"handle":[` + guard + `]}`, "a guard never runs"},
		{"no hole", `{"handle":[` + guard + `]},{"match":[{"path":["/a"]}],"handle":[` + proxy + `]},{"handle":[` + proxy + `]}`, ""},
	} {
		config := `{"admin":{"disabled":true},"apps":{"curfew":{"strict_sites":true,"issuers":[{"url":"https://login.example.com","audiences":["api"]}]},"http":{"servers":{` +
			`"a":{"listen":[":8080"],"routes":[` + c.routes + `]},"b":{"listen":[":8081"],"routes":[{"handle":[` + proxy + `]}]}}}}}`
		err := gatewaytest.Validate([]byte(config))
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// load validates a site behind the global options, as `caddy validate` does.
func load(t *testing.T, options, site string) error {
	t.Helper()
	_, err := loadLogged(t, options, "http://127.0.0.1:9 {\n"+site+"}\n")
	return err
}

// warning is a line of the log about a hole.
type warning struct{ Level, Msg, Host, Matcher, Upstream, Guard string }

func (w *warning) String() string {
	return w.Msg[:strings.Index(w.Msg, ":")] + " | " + w.Host + " | " + w.Matcher + " | " + w.Upstream + " | " + w.Guard
}

func loadLogged(t *testing.T, options, sites string) ([]warning, error) {
	t.Helper()
	gatewaytest.OwnDirectories(t)
	dir, err := os.MkdirTemp("", "") // the test's name may have braces
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "log")
	text := fmt.Sprintf("{\nadmin off\nauto_https off\nlog {\noutput file %s {\nroll_disabled\n}\nformat json\n}\ncurfew {\nissuer https://login.example.com {\naudience api\n}\n%s\n}\n}\n%s", log, options, sites)
	adapted, err := adapt(t, caddyfile.Format([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	err = gatewaytest.Validate(adapted)
	b, _ := os.ReadFile(log)
	var all []warning
	for line := range strings.Lines(string(b)) {
		var w warning
		if json.Unmarshal([]byte(line), &w) == nil && w.Level == "warn" && w.Guard != "" {
			all = append(all, w)
		}
	}
	return all, err
}

// besideGuards has routes to a guarded upstream that no guard is on, of each
// kind that survey knows.
const besideGuards = `
&(shared) {
	reverse_proxy UPSTREAM
}
http://127.0.0.1:APPPORT {
	handle /public/* {
		reverse_proxy UPSTREAM
	}
	handle_path /prefix/* {
		reverse_proxy UPSTREAM
	}
	handle /named/* {
		invoke shared
	}
	handle /route/* {
		route {
			reverse_proxy UPSTREAM
			curfew
		}
	}
	handle /nested/* {
		handle /nested/open/* {
			reverse_proxy UPSTREAM
		}
		handle {
			curfew
			reverse_proxy UPSTREAM
		}
	}
	handle /response/* {
		reverse_proxy UPSTREAM {
			handle_response {
				reverse_proxy UPSTREAM
			}
		}
	}
	handle /error/* {
		error 404
	}
	handle {
		curfew {
			identity_header X-User-Email email
		}
		reverse_proxy UPSTREAM
	}
	handle_errors {
		rewrite * /error-page
		reverse_proxy UPSTREAM
	}
}
http://other.example.test:APPPORT {
	reverse_proxy UPSTREAM
}
http://127.0.0.1:HEALTHPORT {
	metrics /metrics
	curfew_health
}
`

// A route that no guard is on hands on no header that only a guard may set:
// the upstream would take it for the gateway's word.
func TestForgedIdentityHeadersArriveOnNoRouteOfAServerWithAGuard(t *testing.T) {
	g := start(t, global, besideGuards)
	r := seedtest.New(t)
	for _, path := range []string{
		"/public/x", "/public/..%5cadmin", "/prefix/x", "/named/x", "/route/x", "/nested/open/x", "/response/x", "/error/x", "/refused", "other.example.test/x",
	} {
		for range howMany(10, 1000) {
			host, target := g.host(), path
			if name, rest, ok := strings.Cut(path, "/"); ok && name != "" {
				host, target = name, "/"+rest
			}
			lines := "GET " + target + " HTTP/1.1\nHost: " + host + "\nConnection: close\n"
			for _, name := range identityHeaders[:len(identityHeaders)-1] { // the last is of another site
				lines += forgeries(r, name) + ": " + forged + "\n"
			}
			w := dial(t, g.app)
			w.say(lines + "\n")
			a, ok := w.hear("GET")
			_ = w.conn.Close()
			if path == "/refused" || !ok {
				continue
			}
			if a.StatusCode == http.StatusUnauthorized {
				t.Fatalf("%s: %d", path, a.StatusCode)
			}
			checkIdentity(t, g.upstream)
		}
		if text := g.upstream.dump(); strings.Contains(text, forged) {
			t.Errorf("%s: a forged header arrived: %s", path, text[max(0, len(text)-800):])
			break
		}
	}
	if g.upstream.count() < 60 {
		t.Errorf("only %d requests came to the upstream", g.upstream.count())
	}
}
