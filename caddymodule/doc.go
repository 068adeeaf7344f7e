// Package caddymodule is the Caddy modules of Curfew: the app, the guard, the
// admin API, the health endpoint and a matcher. It is the only room that imports
// Caddy, and the composition root: it turns a configuration into issuers,
// verifiers, requirements and a node.
//
// A caddy.UsagePool holds everything that lives as long as the process: ledger,
// index, keys, counters. [App] and the handlers live as long as a configuration.
// Provision builds and checks but touches neither network nor ledger, since
// `caddy validate` provisions for real; Start does. A handler that is asked
// before Start, or after Cleanup, refuses.
//
// The package must never decide by itself: policy decides, and node says
// whether a decision may be made at all.
//
// Read app.go, issuer.go and requirements.go for the configuration, with
// options.go and place.go for how a Caddyfile is read and how a mistake gets its
// line; gateway.go for what outlives a configuration; guard.go, front.go and
// visit.go, then refusal.go and live.go, for the way of a request; admin.go and
// health.go for the other handlers; readings.go, site.go and reads.go for the
// paths and routes that a guard covers. The other files serve these.
package caddymodule
