package nats_test

import "testing"
import "time"

func TestProbeTrim(t *testing.T) {
	c, is := guarded(t, 1)
	owner := joinAs(t, c, "owner", is.owner)
	following(t, owner.Ledger)
	node := joinAs(t, c, "node", is.node)
	following(t, node.Ledger)
	for range 5 {
		node.write("x")
		if err := node.tick(); err != nil { t.Fatal(err) }
	}
	last := node.write("x")
	node.reaches(last)
	for range 2 {
	b := time.Now()
	n, err := node.Trim(-time.Hour, 1)
	t.Log(n, err, time.Since(b), node.Head().Position)
	}
	owner.reaches(node.Head().Position)
	n, err := owner.Trim(-time.Hour, 1)
	t.Log(n, err, owner.Err(), node.Err(), owner.Head().Position)
	// adopt as node
	e := joinAs(t, c, "adopter", is.node)
	following(t, e.Ledger)
	e.leave()
	mark(t, e, "adopt")
	e = join(t, e.options)
	time.Sleep(7*time.Second)
	t.Log(e.Connection().Problem, e.Err())
}
