// Command connections measures the cost of ending open connections: thousands
// of WebSockets and event streams of a thousand users through one gateway. It
// signs out one user after the other, then all of them at once.
//
//	go run ./benchmarks/connections
//	go run ./benchmarks/connections -scale 0.02   # a smoke run
//
// This process runs the clients, the OpenID provider and the clock. The gateway
// and the service behind it run in processes of their own, so that each has its
// own limit of open files. It exits 1 if a bound of docs/connections.md is
// missed, unless -report-only.
//
// Read main.go first, then stage.go, crowd.go, signout.go, probe.go and
// report.go. The other roles are in child.go, gateway.go, issuer.go and
// upstream.go.
package main
