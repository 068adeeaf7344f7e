// Package caddymodule makes Curfew a citizen of Caddy. It is the only room that
// imports Caddy, and the composition root: here configuration becomes issuers,
// verifiers, requirements and a node, and requests meet them.
//
// What lives as long as the process (ledger, index, keys, counters) is in a
// caddy.UsagePool; what lives as long as a configuration is in [App] and the
// handlers. Provision builds and checks but touches neither network nor
// ledger, since `caddy validate` provisions for real; Start does. A handler
// that is asked before Start, or after Cleanup, refuses.
//
// The package must never decide by itself: policy decides, and node says
// whether a decision may be made at all.
package caddymodule
