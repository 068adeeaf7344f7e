package revocation

import (
	"fmt"
	"slices"
	"strings"
)

// Dump is everything that an index holds, in one order: two indexes that dump
// the same find the same.
func (x *Index) Dump() string {
	var lines []string
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if all := x.classes.Load(); all != nil {
		for _, cl := range all.all {
			line("class %+v exempt=%q latest=%d", cl.classID, cl.exemptClients, cl.latest)
			x.dumpTable(cl, line)
		}
		for issuer, of := range all.byIssuer {
			line("horizon %s sign_in=%d refresh=%d", issuer, of.signIn.Load(), of.refresh.Load())
		}
	}
	for ref := range x.lifted {
		line("lifted %s", ref)
	}
	for ref, places := range x.where {
		for _, p := range places {
			line("where %s %+v %x", ref, p.class.classID, p.key)
		}
	}
	for k := range x.counts {
		line("count %s %d", Kind(k), x.counts[k].Load())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (x *Index) dumpTable(cl *class, line func(string, ...any)) {
	for s := range cl.table.shards {
		c := cl.table.shards[s].Load()
		for i := range c.len() {
			k0, v := c.probe[i], c.rest[i]
			if k0 == 0 || v.a == 0 {
				continue
			}
			if cl.typ != StepUp {
				through, ref := unpack(v.a, v.b)
				line("cell %+v %x.%x %d %s", cl.classID, k0, v.key1, through, ref)
				continue
			}
			for _, d := range *(*x.slots.Load())[v.b].Load() {
				line("cell %+v %x.%x %+v", cl.classID, k0, v.key1, *d)
			}
		}
	}
}

// FindOrder lists the classes of an issuer in the order that Find visits them.
func (x *Index) FindOrder(issuer string) (order []string) {
	if all := x.classes.Load(); all != nil && all.byIssuer[issuer] != nil {
		for _, cl := range all.byIssuer[issuer].list {
			order = append(order, fmt.Sprintf("%+v", cl.classID))
		}
	}
	return order
}

// Part is a target of the members of whole that make it one of kind k.
func Part(whole Target, k Kind) Target { return part(whole, int(shapes[k])) }

// Holds is how many blocks and step-ups the index remembers in full.
func (x *Index) Holds() int { return len(x.where) }
