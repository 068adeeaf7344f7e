// Package node is one gateway at run time: it opens the ledger, folds it into
// the index, follows it, says whether it may serve, and writes.
//
// There is one way in for every revocation, whatever the dialect: [Node.Submit]
// makes it durable, applies it, and only then answers. There is one gate for
// every decision: [Node.State], which is anything but [Ready] while the node
// can't show that it knows every acknowledged record.
//
// A node outlives configuration reloads. It must never import Caddy, and never
// repair a damaged ledger by itself.
package node
