// Package archtest guards the rooms of the design: which way imports point, who
// may touch Caddy and NATS, and that every package says what it is for. It
// reads the sources and nothing else, so it needs neither a network nor a build.
//
// It must never hold code that anything imports, and a rule in it must never be
// without its reason.
//
// Read rules_test.go first (the tables of imports), then arch_test.go, which holds
// the sources to them, then records_test.go and outbound_test.go, which look into
// the code.
package archtest
