package revocation

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Horizons says up to which instant nothing of an issuer is admitted: expired
// cuts leave that behind. In mode [SignIn] the instant is compared with
// auth_time (or iat, where there is none), in mode [Refresh] with iat. There is
// no other mode.
type Horizons map[HorizonOf]int64

// HorizonOf names one of the horizons.
type HorizonOf struct {
	Issuer string
	Mode   Mode
}

// Raise sets a horizon, unless it is as late already.
func (h Horizons) Raise(of HorizonOf, through int64) {
	if through > h[of] {
		h[of] = through
	}
}

// horizon is the mode of what cuts of mode m leave behind. A single token that
// was cut for good is old by then, and refused by its iat.
func (m Mode) horizon() Mode {
	if m == SignIn {
		return SignIn
	}
	return Refresh
}

// Leaves is the horizon that a cut leaves behind when it expires. It is what
// [Index.Expire] makes of it.
func (r *Record) Leaves() (of HorizonOf, through int64) {
	return HorizonOf{r.Target.Issuer, r.Mode.horizon()}, r.keptFrom()
}

// IsHorizon reports whether a record states a horizon: a cut of everybody of an
// issuer that never expires. A log that drops expired cuts must keep one.
func (r *Record) IsHorizon() bool {
	kind, _ := r.Target.Kind()
	return r.Type == Cut && kind == KindIssuer && r.Mode != Final && r.Keep == 0 && len(r.ExemptClients) == 0
}

// NewHorizon makes a record that states a horizon.
func NewHorizon(by Author, now time.Time, of HorizonOf, through int64) Record {
	r := Record{Type: Cut, Mode: of.Mode, Target: Target{Issuer: of.Issuer}, At: through * 1000, Through: through}
	by.annotate(&r, now)
	return r
}

// Digest is over all horizons. Equal ones have the same.
func (h Horizons) Digest() [sha256.Size]byte {
	var b []byte
	for _, of := range slices.SortedFunc(maps.Keys(h), func(a, b HorizonOf) int {
		return cmp.Or(cmp.Compare(a.Issuer, b.Issuer), cmp.Compare(a.Mode, b.Mode))
	}) {
		b = binary.AppendUvarint(b, uint64(len(of.Issuer)))
		b = append(append(b, of.Issuer...), byte(of.Mode))
		b = binary.AppendUvarint(b, uint64(h[of]))
	}
	return sha256.Sum256(b)
}

// Horizons are those that the records of the newest epoch make, once all that
// expires before now, a Unix second, has. They are a function of these records
// and of now: when this index really let anything expire makes no difference,
// and neither does whether a log that was trimmed says it in other records.
func (x *Index) Horizons(now int64) Horizons {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := make(Horizons)
	all := x.classes.Load()
	if all == nil {
		return h
	}
	for issuer, of := range all.byIssuer {
		for _, cl := range of.list {
			if cl.typ == Cut && cl.epoch == x.epoch {
				h.Raise(HorizonOf{issuer, cl.mode.horizon()}, cl.expired(now, cl.inEpoch))
			}
		}
	}
	return h
}

// expired is up to which instant cuts of a class have expired, the latest of
// which is given. Cuts of everybody of an issuer that never expire count, because
// a trim makes them of others that have.
func (c *class) expired(now, latest int64) int64 {
	switch {
	case c.keep > 0:
		return min(now-c.keep-1, latest)
	case c.kind == KindIssuer && c.mode != Final && c.exempt == "":
		return latest
	}
	return 0
}
