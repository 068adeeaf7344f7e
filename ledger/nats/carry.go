package nats

import (
	"cmp"
	"slices"
	"time"

	"curfew.dev/curfew/revocation"
)

// carrying sorts the records of a part of the log that is about to go, or of an
// epoch that has ended: some are written again, others have expired, and a
// horizon stands for these. It is a function of the records and an instant, so
// that an index that is built of what is written again refuses the same.
type carrying struct {
	now  time.Time
	gone revocation.Horizons // what expired records leave behind
	said revocation.Horizons // what the log goes on saying
	// stated are the latest horizons that were written into the log before.
	stated map[revocation.HorizonOf]revocation.Record
}

func newCarrying(now time.Time) *carrying {
	return &carrying{
		now: now, gone: make(revocation.Horizons), said: make(revocation.Horizons),
		stated: make(map[revocation.HorizonOf]revocation.Record),
	}
}

// lives takes a record that goes, and reports whether it has to be written again
// as it is.
func (c *carrying) lives(r *revocation.Record) bool {
	of, through := r.Leaves()
	switch end, ends := r.Expires(); {
	case ends && end < c.now.Unix():
		c.gone.Raise(of, through)
	case r.IsHorizon():
		if before, ok := c.stated[of]; !ok || cmp.Or(cmp.Compare(through, before.Through), before.Origin.Compare(r.Origin)) > 0 {
			c.stated[of] = *r
		}
	default:
		return true
	}
	return false
}

// stays takes a record that does not go.
func (c *carrying) stays(r *revocation.Record) {
	if r.IsHorizon() {
		c.said.Raise(r.Leaves())
	}
}

// horizons are the cuts that stand for all that has expired. Earlier horizons
// than the latest of their issuer and mode are dropped, or their number would
// grow with every trim.
func (c *carrying) horizons(actor string) []revocation.Record {
	var records []revocation.Record
	for of, r := range c.stated {
		if r.Through >= max(c.gone[of], c.said[of]) {
			c.said.Raise(of, r.Through)
			records = append(records, r)
		}
	}
	for of, through := range c.gone {
		if through > c.said[of] {
			records = append(records, revocation.Record{
				Type: revocation.Cut, Mode: of.Mode, Target: revocation.Target{Issuer: of.Issuer},
				At: through * 1000, Through: through, Time: c.now.UnixMilli(),
				Source: "trim", Actor: actor, Reason: "cuts up to here have expired",
			})
		}
	}
	slices.SortFunc(records, func(a, b revocation.Record) int {
		return cmp.Or(cmp.Compare(a.Target.Issuer, b.Target.Issuer), cmp.Compare(a.Mode, b.Mode))
	})
	return records
}
