// Package node is one gateway at run time: it opens the ledger, folds it into
// the index, follows it, says whether it may serve, and writes.
//
// There is one way in for every revocation, whatever the dialect: [Node.Submit]
// makes it durable, applies it, and only then answers. There is one gate for
// every decision: [Node.StateAt], which is anything but [Ready] while the node
// can't show that it knows every acknowledged record.
//
// With a shared ledger the node is one of a fleet. It proves that it is fresh by
// nonces that come back in ticks, and fences itself when the newest proof is
// older than max_staleness, by its own clock alone. Ticks also tell it which other
// nodes may be serving: the roster, which bounds the promise of a receipt. A node of the
// roster is pending until it says that it enforces a record, or until it has
// fenced itself. An "enforced" receipt may have fenced nodes, because those refuse
// everything.
//
// A node outlives configuration reloads. It must never import Caddy or NATS,
// never compare another machine's clock with its own to judge freshness, and
// never repair a damaged ledger by itself.
//
// Read node.go and state.go first. A local ledger is in local.go; writing in
// submit.go, format.go and enforcement.go. For a cluster read fleet.go and
// follower.go, then heart.go with ticking.go and freshness.go, peers.go with
// roster.go, horizons.go, and cutting.go with acknowledging.go and progress.go.
// receipts.go and status.go build answers from all of it.
package node
