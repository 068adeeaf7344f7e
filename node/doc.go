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
// older than max_staleness, by its own clock alone. Ticks also tell it who else
// may be serving: the roster, which bounds what a receipt promises. A node of
// the roster is pending until it says that it enforces a record, or until it
// has fenced itself; an "enforced" receipt may have nodes that are fenced, since
// those refuse everything.
//
// A node outlives configuration reloads. It must never import Caddy or NATS,
// never compare another machine's clock with its own to judge freshness, and
// never repair a damaged ledger by itself.
package node
