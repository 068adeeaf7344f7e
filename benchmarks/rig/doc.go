// Package rig holds the parts that the measuring programs share: a provider
// that signs tokens, a minimal upstream, a load generator, processes whose CPU
// time is read, and the writing of tables and plots.
//
// It connects to loopback only. It must never use the internals of a product
// under test: it sees requests, answers and the CPU time of a process.
//
// Read load.go and latency.go first, then process.go, pinning.go and
// machine.go. Then read provider.go and upstream.go. The output is in
// report.go, stats.go and plot.go.
package rig
