package caddymodule

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"

	"curfew.dev/curfew/token"
)

// resource is what a guard protects, as clients see it: a prefix of the paths of some
// hosts (RFC 9728).
type resource struct {
	hosts  []string // patterns; nil: any
	prefix string   // without a slash at the end; empty: everything
	guard  *Guard   // as it is configured
}

// wellKnown is where descriptions are. The prefix follows (RFC 9728 section 3.1).
const wellKnown = "/.well-known/oauth-protected-resource"

// addResources notes what a guard protects, if it takes tokens from the Authorization
// header.
func (s *survey) addResources(g *Guard, f flow) {
	inHeader := slices.Contains(g.TokenFrom, TokenSource{In: "header"}) || len(g.TokenFrom) == 0 && len(g.Session) == 0
	if !inHeader || g.ResourceMetadata == "off" {
		return
	}
	patterns := f.paths
	if patterns == nil {
		patterns = pathsOf(setsOf(g.MatcherSetsRaw, g.covers.sets))
	}
	prefixes := []string{""}
	if patterns != nil {
		prefixes = nil
	}
	for _, pattern := range patterns {
		prefix := strings.TrimSuffix(strings.TrimSuffix(pattern, "*"), "/")
		if strings.Contains(prefix, "*") || !strings.HasPrefix(pattern, "/") {
			prefix = "" // it is anywhere
		}
		if !slices.Contains(prefixes, prefix) && plainPath.MatchString(prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	for _, prefix := range prefixes {
		s.resources[s.server] = append(s.resources[s.server], resource{f.named, prefix, g})
	}
}

// plainPath are paths that need no escaping in a URL or a header.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~!$&'()+,;=:@-]+)*$`)

// pathsOf returns the patterns of path matchers. Where some set has none, it matches
// requests of any path.
func pathsOf(sets caddyhttp.MatcherSets) (patterns []string) {
	for _, set := range sets {
		var of []string
		for _, m := range set {
			switch m := m.(type) {
			case *caddyhttp.MatchPath:
				of = append(of, *m...)
			case caddyhttp.MatchPath:
				of = append(of, m...)
			case *AnyReading:
				of = append(of, pathsOf(setsOf(m.MatcherSetsRaw, m.sets))...)
			}
		}
		if of == nil {
			return nil
		}
		patterns = append(patterns, of...)
	}
	return patterns
}

// serves reports whether a host is one of the resource.
func (x *resource) serves(host string) bool {
	return x.hosts == nil || slices.ContainsFunc(x.hosts, func(pattern string) bool {
		return certmagic.MatchWildcard(host, strings.ToLower(pattern))
	})
}

// holds reports whether a path is one of the resource.
func (x *resource) holds(path string) bool {
	rest, ok := strings.CutPrefix(path, x.prefix)
	return ok && (rest == "" || rest[0] == '/' || x.prefix == "")
}

// describedAt returns the URL of the description of what a request asks for, or
// nothing.
func (e *entrance) describedAt(r *http.Request) string {
	origin, ok := originOf(r)
	if !ok || !plainOrigin.MatchString(origin) {
		return ""
	}
	host, path := strings.ToLower(hostname(r.Host)), addressOf(r).Path
	best := -1
	all := e.app.resources[e.server]
	for i := range all {
		if all[i].serves(host) && all[i].holds(path) && (best < 0 || len(all[i].prefix) > len(all[best].prefix)) {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return origin + wellKnown + all[best].prefix
}

var plainOrigin = regexp.MustCompile(`^https?://[A-Za-z0-9.:\[\]-]+$`)

// description is the metadata of a protected resource (RFC 9728 section 2).
type description struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	ProofAlgorithms      []string `json:"dpop_signing_alg_values_supported"`
	BoundRequired        bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
}

// describe answers a request for the description of a resource of this server. It
// reports whether there is one. A path that describes nothing is the application's.
func (e *entrance) describe(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, wellKnown) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	at := addressOf(r)
	prefix, ok := strings.CutPrefix(at.EscapedPath(), wellKnown)
	origin, known := originOf(r)
	if !ok || !known || !plainOrigin.MatchString(origin) {
		return false
	}
	prefix, host := strings.TrimSuffix(prefix, "/"), strings.ToLower(hostname(r.Host))
	d := description{
		Resource: origin + prefix, BearerMethods: []string{"header"}, ProofAlgorithms: token.ProofAlgorithms(),
		CertificateBound: asksForCertificates(e.server), BoundRequired: true,
	}
	found := false
	for _, x := range e.app.resources[e.server] {
		if x.prefix == prefix && x.serves(host) {
			found = true
			d.add(e.app, x.guard)
		}
	}
	if !found {
		return false
	}
	d.BoundRequired = d.BoundRequired && !d.CertificateBound // a certificate would do
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*") // it is for every client, in a browser too
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(d)
	}
	return true
}

// add adds what a guard takes.
func (d *description) add(a *App, g *Guard) {
	once := func(list *[]string, values ...string) {
		for _, v := range values {
			if !slices.Contains(*list, v) {
				*list = append(*list, v)
			}
		}
	}
	for _, i := range a.Issuers {
		if len(g.Issuers) == 0 || slices.Contains(g.Issuers, i.URL) {
			once(&d.AuthorizationServers, i.URL)
		}
	}
	once(&d.ScopesSupported, g.Scope...)
	for _, name := range g.Policies {
		if p := a.Policies[name]; p != nil {
			once(&d.ScopesSupported, p.Scope...)
		}
	}
	d.BoundRequired = d.BoundRequired && g.RequireBoundTokens
}

// asksForCertificates reports whether clients of a server may show a certificate.
func asksForCertificates(s *caddyhttp.Server) bool {
	for _, p := range s.TLSConnPolicies {
		if p.ClientAuthentication != nil && p.ClientAuthentication.Active() {
			return true
		}
	}
	return false
}
