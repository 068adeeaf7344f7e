package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// modulesOf returns the handlers of a route, either as provisioned or decoded
// from their JSON.
func modulesOf(r *caddyhttp.Route) []any {
	var all []any
	if r.HandlersRaw == nil {
		for _, h := range r.Handlers {
			all = append(all, h)
		}
		return all
	}
	for _, raw := range r.HandlersRaw {
		if h, ok := moduleOf("http.handlers", "handler", raw); ok {
			all = append(all, h)
		}
	}
	return all
}

// setsOf returns the matchers of a route or matcher in the same way.
func setsOf(raw caddyhttp.RawMatcherSets, sets caddyhttp.MatcherSets) caddyhttp.MatcherSets {
	if raw == nil {
		return sets
	}
	sets = nil
	for _, modules := range raw {
		var set caddyhttp.MatcherSet
		for name, raw := range modules {
			if m, ok := newModule("http.matchers."+name, raw); ok {
				set = append(set, m)
			}
		}
		sets = append(sets, set)
	}
	return sets
}

// moduleOf decodes a module whose name is one of its JSON members.
func moduleOf(namespace, key string, raw json.RawMessage) (any, bool) {
	var members map[string]json.RawMessage
	var name string
	if json.Unmarshal(raw, &members) != nil || json.Unmarshal(members[key], &name) != nil {
		return nil, false
	}
	delete(members, key)
	rest, err := json.Marshal(members)
	if err != nil {
		return nil, false
	}
	return newModule(namespace+"."+name, rest)
}

// newModule decodes a module that is only read, never run. If it can't be
// decoded, Caddy will report the error.
func newModule(id string, raw json.RawMessage) (module any, ok bool) {
	info, err := caddy.GetModule(id)
	if err != nil {
		return nil, false
	}
	defer func() {
		if recover() != nil { // for example an expression without a name
			module, ok = nil, false
		}
	}()
	module = info.New()
	return module, json.Unmarshal(raw, module) == nil
}

// describe says which requests a route is for, in the words of the Caddyfile.
// It leaves out hosts, which the caller names.
func describe(sets caddyhttp.MatcherSets) string {
	var alternatives []string
	for _, set := range sets {
		var all []string
		for _, m := range set {
			if text := describeOne(m); text != "" {
				all = append(all, text)
			}
		}
		slices.Sort(all) // map order is random
		if len(all) > 0 {
			alternatives = append(alternatives, strings.Join(all, " "))
		}
	}
	return strings.Join(alternatives, " or ")
}

func describeOne(m any) string {
	switch m := m.(type) {
	case *caddyhttp.MatchHost:
		return ""
	case *caddyhttp.MatchPath:
		return "path " + strings.Join(*m, " ")
	case *caddyhttp.MatchPathRE:
		return "path_regexp " + m.Pattern
	case *caddyhttp.MatchMethod:
		return "method " + strings.Join(*m, " ")
	case *caddyhttp.MatchExpression:
		return "expression " + m.Expr
	case *caddyhttp.MatchNot:
		return "not " + describe(setsOf(m.MatcherSetsRaw, m.MatcherSets))
	case caddy.Module:
		return m.CaddyModule().ID.Name()
	}
	return fmt.Sprintf("%T", m)
}
