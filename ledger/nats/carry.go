package nats

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"curfew.dev/curfew/revocation"
)

// carrying writes records of a removed part of the log again. The removed part is
// trimmed, or is the epochs before a repair. Live records are written unchanged.
// Horizons replace expired ones. An index that is built from the rest therefore
// refuses the same tokens as one that was built from the whole log. The result
// depends only on the log and an instant.
type carrying struct {
	log   func(yield func(revocation.Entry) error) error
	write func(revocation.Record) error
	now   time.Time
	actor string // the author of the horizons

	gone revocation.Horizons // of the expired records
	said revocation.Horizons // in the part that stays
	// stated has the latest horizons in the part that is removed.
	stated map[revocation.HorizonOf]revocation.Record
	// written has the digests of the records in the part that stays. Without it the
	// number of records would double with every epoch.
	written map[[sha256.Size]byte]struct{}
}

func (c *carrying) begin() {
	c.written = make(map[[sha256.Size]byte]struct{})
	c.gone, c.said = make(revocation.Horizons), make(revocation.Horizons)
	c.stated = make(map[revocation.HorizonOf]revocation.Record)
}

// trim writes the live records of the entries after one position and up to
// another. Live records of earlier entries were already written again after that
// position. All removed records leave a horizon.
func (c *carrying) trim(after, through revocation.Position) error {
	c.begin()
	lifted := make(map[revocation.Ref]bool)
	err := c.each(func(at revocation.Position, r *revocation.Record) error {
		if r.Type == revocation.Lift {
			lifted[r.Lifts] = true
		}
		if at.Compare(through) > 0 {
			c.stays(r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.each(func(at revocation.Position, r *revocation.Record) error {
		if at.Compare(through) > 0 || !c.lives(r) || at.Compare(after) <= 0 || over(r, lifted) {
			return nil
		}
		return c.again(r)
	})
	if err != nil {
		return err
	}
	return c.horizons()
}

// over reports whether a record that can't expire has no effect any more.
func over(r *revocation.Record, lifted map[revocation.Ref]bool) bool {
	switch r.Type {
	case revocation.Genesis:
		return r.Through == 0
	case revocation.Block, revocation.StepUp:
		return lifted[r.Origin]
	}
	return false
}

// restate writes the live records of the epochs before one that this epoch lacks.
func (c *carrying) restate(epoch uint64) error {
	c.begin()
	err := c.each(func(at revocation.Position, r *revocation.Record) error {
		if at.Epoch < epoch {
			return nil
		}
		if c.stays(r); r.Origin.Epoch < epoch {
			c.written[digest(r)] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.each(func(at revocation.Position, r *revocation.Record) error {
		if at.Epoch >= epoch || !c.lives(r) {
			return nil
		}
		return c.again(r)
	})
	if err != nil {
		return err
	}
	return c.horizons()
}

// again writes a record, once.
func (c *carrying) again(r *revocation.Record) error {
	d := digest(r)
	if _, done := c.written[d]; done {
		return nil
	}
	c.written[d] = struct{}{}
	return c.write(*r)
}

func digest(r *revocation.Record) [sha256.Size]byte {
	return sha256.Sum256(revocation.AppendRecords(nil, []revocation.Record{*r}))
}

// each yields the records of the log with their origins, ready to be written
// again.
func (c *carrying) each(yield func(revocation.Position, *revocation.Record) error) error {
	return c.log(func(e revocation.Entry) error {
		for i := range e.Records {
			r := e.Records[i]
			r.Origin = r.RefAt(revocation.Ref{Position: e.Position, Item: uint16(i)})
			if err := yield(e.Position, &r); err != nil {
				return err
			}
		}
		return nil
	})
}

// lives handles a record of the removed part. It reports whether the record must
// be written again unchanged.
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

// stays handles a record of the part that stays.
func (c *carrying) stays(r *revocation.Record) {
	if r.IsHorizon() {
		c.said.Raise(r.Leaves())
	}
}

// horizons writes the cuts that replace expired records. A removed horizon is
// written again only if it is the latest of its issuer and mode, because the
// number of horizons would otherwise grow with every trim.
func (c *carrying) horizons() error {
	var records []revocation.Record
	for of, r := range c.stated {
		if r.Through >= max(c.gone[of], c.said[of]) {
			c.said.Raise(of, r.Through)
			records = append(records, r)
		}
	}
	for of, through := range c.gone {
		if through > c.said[of] {
			by := revocation.Author{Source: "trim", Actor: c.actor, Reason: "cuts up to here have expired"}
			records = append(records, revocation.NewHorizon(by, c.now, of, through))
		}
	}
	slices.SortFunc(records, func(a, b revocation.Record) int {
		return cmp.Or(cmp.Compare(a.Target.Issuer, b.Target.Issuer), cmp.Compare(a.Mode, b.Mode))
	})
	for i := range records {
		if err := c.again(&records[i]); err != nil {
			return err
		}
	}
	return nil
}
