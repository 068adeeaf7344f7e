// Package micro measures what crosses rooms: the guard as Caddy runs it, and a
// decision from the bytes of a token to the verdict. What one room costs by
// itself is measured beside its code.
//
// It must never hold code that anything imports, and no figure of it gates a
// build: what is asserted is the number of allocations, which no busy machine
// changes.
package micro
