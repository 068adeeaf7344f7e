// Package cli is the command line of Curfew, `caddy curfew …`: what an
// operator types at a gateway when somebody must be out now.
//
// Most commands speak the admin API on Caddy's own admin endpoint, where no
// credential is needed: a caller that reaches it can load any configuration.
// The commands init, adopt and doctor work on the directory of a ledger while
// no gateway holds it.
//
// The package must never decide what the gateway decides: it sends, prints
// what came back and turns it into an exit status. It must never put an
// identifier into a URL, which Caddy logs, and never take a token from the
// arguments, which every user of the machine can read.
//
// Read command.go first, then gateway.go (how a command asks), flags.go and target.go
// (what it is told), signout.go with caution.go and preview.go (one write), receipt.go,
// console.go and exit.go (what it tells). Each other file has the commands of its name.
package cli
