package revocation

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
