// Command connections measures what ending open connections costs: thousands of
// WebSockets and event streams of a thousand users through one gateway, one
// user after the other signed out, then all of them at once.
//
//	go run ./benchmarks/connections
//	go run ./benchmarks/connections -scale 0.02   # a smoke run
//
// This process is the clients, the OpenID provider and the stopwatch; the
// gateway and the service behind it run in processes of their own, so that each
// has its own limit of open files. It exits 1 where a bound of docs/connections.md
// is missed, unless -report-only.
package main
