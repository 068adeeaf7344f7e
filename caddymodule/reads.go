package caddymodule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
)

// followsPath reports whether a placeholder shows the path of the request, so
// that [reading] can answer for it.
func followsPath(name string) bool {
	switch name {
	case "http.request.uri", "http.request.uri_escaped", "http.request.uri.path", "http.request.uri.path_escaped":
		return true
	}
	return strings.HasPrefix(name, "http.request.uri.path.")
}

// ofRequest reports whether a placeholder does not depend on the path. It shows
// another part of the request, the connection or the machine. A handler may
// have changed some of these values, which a [flow] knows.
func ofRequest(name string) bool {
	if slices.Contains(independent, name) {
		return true
	}
	return slices.ContainsFunc(independent, func(group string) bool {
		return strings.HasSuffix(group, ".") && strings.HasPrefix(name, group)
	})
}

// independent lists names of placeholders, and groups of names, which end with
// a dot.
var independent = []string{
	"env.", "system.", "time.", "file.",
	"http.request.method", "http.request.scheme", "http.request.proto", "http.request.proto_name",
	"http.request.host", "http.request.host.labels.", "http.request.hostport", "http.request.port",
	"http.request.local", "http.request.local.", "http.request.remote", "http.request.remote.", "http.request.tls.",
	"http.request.header.", "http.request.cookie.", "http.request.body", "http.request.body_base64",
	"http.request.uri.query", "http.request.uri.query.", "http.request.uri.query_escaped", "http.request.uri.prefixed_query",
	"http.request.orig_method", "http.request.orig_uri.query", "http.request.orig_uri.prefixed_query",
	"http.request.uuid", "http.request.duration", "http.request.duration_ms", "http.shutting_down", "http.time_until_shutdown",
	// Caddy's own variables of the connection, and variables that are empty
	// unless the configuration sets them.
	"http.vars.client_ip", "http.vars.trusted_proxy", "http.vars.root", "http.vars.fs",
}

const (
	headerNames = "http.request.header."
	queryNames  = "http.request.uri.query."
	varNames    = "http.vars."
)

var (
	placeholder = regexp.MustCompile(`\{([^{}]+)\}`)
	// In an expression, braces also enclose maps and quantifiers of patterns.
	placeholderInCEL = regexp.MustCompile(`\{([^{}'":,]+)\}`)
	quantifier       = regexp.MustCompile(`^[\d\s]*$`)
	// These functions of an expression read more than their arguments.
	callInCEL = regexp.MustCompile(`\b(ph|vars|vars_regexp|file|header|header_regexp|query|url_pattern|method|host|protocol)\s*\(`)
)

func placeholdersIn(texts ...string) []string {
	var names []string
	for _, text := range texts {
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// reads lists the placeholders that the matchers read, apart from the path in
// the request's URL. It knows nothing about matchers of other modules. These
// get a request that is changed in every place that a matcher may read.
func reads(sets caddyhttp.MatcherSets) []string {
	var names []string
	for _, set := range sets {
		for _, m := range set {
			names = append(names, readsOf(m)...)
		}
	}
	return names
}

func readsOf(m any) []string {
	var names []string
	switch m := m.(type) {
	case *AnyReading:
		return reads(setsOf(m.MatcherSetsRaw, m.sets))
	case *caddyhttp.MatchNot:
		return reads(setsOf(m.MatcherSetsRaw, m.MatcherSets))
	case *caddyhttp.MatchPath:
		return placeholdersIn(*m...)
	case *caddyhttp.MatchHost:
		return append(placeholdersIn(*m...), "http.request.host")
	case *caddyhttp.MatchMethod:
		return []string{"http.request.method"}
	case *caddyhttp.MatchProtocol:
		return []string{headerNames + "Content-Type"}
	case *caddyhttp.MatchClientIP:
		return []string{varNames + "client_ip"}
	case *caddyhttp.MatchURLPattern:
		return []string{"http.request.uri.query", "http.request.host"}
	case *caddyhttp.MatchHeaderRE:
		for field := range *m {
			names = append(names, headerNames+field)
		}
	case *caddyhttp.MatchHeader:
		for field, values := range *m {
			names = append(append(names, headerNames+field), placeholdersIn(values...)...)
		}
	case *caddyhttp.MatchQuery:
		for key, values := range *m {
			names = append(append(names, queryNames+key), placeholdersIn(append(values, key)...)...)
		}
	case *caddyhttp.VarsMatcher:
		for key, values := range *m {
			names = append(append(names, variable(key)), placeholdersIn(values...)...)
		}
	case *caddyhttp.MatchVarsRE:
		for key := range *m {
			names = append(names, variable(key))
		}
	case *fileserver.MatchFile:
		if m.Root == "" || m.FileSystem == "" {
			names = append(names, varNames+"root", varNames+"fs")
		}
		return append(names, placeholdersIn(append(m.TryFiles, m.Root, m.FileSystem)...)...)
	case *caddyhttp.MatchExpression:
		return readsOfExpression(m.Expr)
	}
	return names
}

// variable returns the name of the placeholder for a key of `vars`.
func variable(key string) string {
	if name, ok := strings.CutPrefix(key, "{"); ok && strings.HasSuffix(name, "}") && !strings.Contains(name, "{") {
		return strings.Trim(name, "}")
	}
	return varNames + key
}

// readsOfExpression searches the text of an expression. A name in quotes counts
// too, so it may report more names than the expression reads.
func readsOfExpression(text string) []string {
	var names []string
	for _, m := range placeholderInCEL.FindAllStringSubmatch(text, -1) {
		if !quantifier.MatchString(m[1]) {
			names = append(names, m[1])
		}
	}
	for _, m := range callInCEL.FindAllStringSubmatch(text, -1) {
		switch call := m[1]; call {
		case "ph", "vars", "vars_regexp":
			names = append(names, call+"(…)")
		case "file":
			names = append(names, varNames+"root", varNames+"fs")
		case "header", "header_regexp", "protocol":
			names = append(names, headerNames+"*")
		case "query", "url_pattern":
			names = append(names, "http.request.uri.query", "http.request.host")
		case "method", "host":
			names = append(names, "http.request."+call)
		}
	}
	return names
}

// looksAtPath reports whether matchers choose by the path, or may do so.
func (f *flow) looksAtPath(sets caddyhttp.MatcherSets) bool {
	for _, set := range sets {
		for _, m := range set {
			switch m := m.(type) {
			case *caddyhttp.MatchNot:
				if f.looksAtPath(setsOf(m.MatcherSetsRaw, m.MatcherSets)) {
					return true
				}
			case *caddyhttp.MatchExpression:
				if celPath.MatchString(m.Expr) || f.dependsOnPath(readsOf(m)) {
					return true
				}
			case *caddyhttp.MatchHost, *caddyhttp.MatchMethod, *caddyhttp.MatchProtocol, *caddyhttp.MatchClientIP, *caddyhttp.MatchRemoteIP,
				*caddyhttp.MatchTLS, *caddyhttp.MatchHeader, *caddyhttp.MatchHeaderRE, *caddyhttp.MatchQuery, *caddyhttp.VarsMatcher, *caddyhttp.MatchVarsRE:
				if f.dependsOnPath(readsOf(m)) {
					return true
				}
			default:
				return true // path, path_regexp, file, url_pattern, and unknown matchers
			}
		}
	}
	return false
}

var celPath = regexp.MustCompile(`\b(path|path_regexp|file|url_pattern)\s*\(`)

// dependsOnPath reports whether a placeholder shows the path, or may have been
// computed from it.
func (f *flow) dependsOnPath(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return followsPath(name) || f.computed(name) != "" })
}

// computed returns the reason why a placeholder may have been computed from an
// earlier path. It returns "" if it can't have been.
func (f *flow) computed(name string) string {
	why, known := f.made(name)
	switch {
	case why != "":
		return why
	case known, followsPath(name), ofRequest(name):
		return ""
	case strings.HasPrefix(name, "http.request.orig_uri"):
		return "the path from before any rewrite"
	case strings.HasPrefix(name, "http.regexp."), strings.HasPrefix(name, "http.matchers."), strings.HasPrefix(name, "http.url_pattern."):
		return "what another matcher found in the path as sent"
	case strings.HasPrefix(name, varNames):
		return "a variable that may have been computed from the path as sent"
	case strings.HasSuffix(name, "(…)"):
		return "names that can't be told in advance; write each as a placeholder, such as {http.vars.name}"
	}
	return "which may have been computed from the path as sent"
}

// readable refuses a guard's matcher that can't be asked about every reading.
func (f *flow) readable(sets caddyhttp.MatcherSets) error {
	for _, name := range reads(sets) {
		if why := f.computed(name); why != "" {
			if !strings.HasSuffix(name, ")") {
				name = "{" + name + "}"
			}
			return fmt.Errorf("the guard's matcher reads %s, %s: it can't be asked about every way in which a server may read the path; "+
				"match the path itself, by `path`, `path_regexp`, or an expression on {path} or {uri}", name, why)
		}
	}
	return nil
}
