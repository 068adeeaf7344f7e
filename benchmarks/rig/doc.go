// Package rig is what the measuring programs have in common: a provider that
// signs tokens, a minimal upstream, a load generator, processes whose CPU time
// is read, and the writing of tables and plots.
//
// It talks to loopback only. It must never know what a product under test does
// inside: it sees requests, answers and the time a process was on a CPU.
package rig
