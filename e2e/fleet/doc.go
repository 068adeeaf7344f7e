// Package fleet breaks a cluster from outside and holds it to its promises:
// real Caddy processes with this module, three real NATS servers, relays between
// them that lose what passes in one direction or both, an upstream that counts,
// and a history of every call and every request, which is checked for the
// invariants I1 to I7 when a test ends (docs/faults.md).
//
// Its tests have the build tag e2e. They have a short form, and with
// CURFEW_LONG=1 a long one. The package must never import the rooms that it
// tests. It knows the public interface, adminclient, which calls a gateway from
// outside, and the providers of tokens and of sign-ins, which are a test's own. The tests speak to
// loopback only, and end only processes that they started.
package fleet
