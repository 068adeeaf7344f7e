// Package micro measures code that spans packages: the guard as Caddy runs it,
// and a decision from the bytes of a token to the verdict. Each package's own
// cost is measured by its own benchmarks.
//
// It must never hold code that another package imports. No time gates a build.
// Its tests assert the number of allocations only, which does not depend on the
// load of the machine.
//
// Read gateway_test.go and guard_test.go first, then decision_test.go and
// memory_test.go.
package micro
