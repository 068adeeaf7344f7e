package admin

import "testing"

// BenchmarkRevoke is a lone caller's revocation over a local ledger: checked,
// durable, in force, answered.
func BenchmarkRevoke(b *testing.B) {
	g := newGateway(b)
	for b.Loop() {
		g.post("/v1/revocations", alice()).want(201)
	}
}
