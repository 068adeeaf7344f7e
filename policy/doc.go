// Package policy decides: credential + index + requirements + now -> decision.
// It is pure, imports the standard library and revocation only, and a refusal
// is a value, never an error.
//
// The rules and their order are one table (rules.go), which [Case.Decide] walks
// to the first refusal and [Case.Explain] walks to the end, so that what is
// explained is what is decided. Another table (reason.go), that of section 7 of
// the design, says how a refusal looks on the wire.
//
// It must never read a clock, a request or a configuration file, and no rule
// may lower what another one demands.
//
// Read case.go first, then rules.go, requirements.go and reason.go.
package policy
