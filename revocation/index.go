package revocation

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// Index is the in-memory fold of the ledger. [Index.Find] may be called from
// any number of goroutines, concurrently with the writing methods;
// it takes no lock and does not allocate. The zero value is an empty index.
type Index struct {
	generation atomic.Uint64
	classes    atomic.Pointer[classes]
	slots      atomic.Pointer[[]*slot]

	// mu is held by the writing methods. It owns what follows, and the tables
	// as their one writer.
	mu     sync.Mutex
	active map[subjectOf][]Ref // blocks and step-ups in force, sorted
	where  map[Ref][]place     // where each of them stands
	lifted map[Ref]struct{}
	counts [numKinds]atomic.Int64
	recent *class // of the last record: most often it is the next one's too
	epoch  uint64 // the newest
}

// A class is the records that differ only in whom they hit. There are few: the
// combinations of issuer, kind, mode, exempt clients and time to keep that the
// configuration has ever produced.
type class struct {
	classID
	exemptClients []string
	table         table
	latest        int64 // of the instants ever put into the table; under Index.mu

	// inEpoch is the same of what was written in an epoch; under Index.mu. It
	// counts if that is the newest.
	inEpoch int64
	epoch   uint64
}

type classID struct {
	typ    Type
	issuer string
	kind   Kind
	mode   Mode
	exempt string // the clients, quoted
	keep   int64
}

// classes is replaced, never changed. Its lists are sorted, so that what Find
// says first does not depend on what arrived first.
type classes struct {
	byIssuer map[string]*issuerClasses
	anywhere []*class // of targets without an issuer
	all      map[classID]*class
}

type issuerClasses struct {
	list []*class
	*horizon
}

// A horizon is what expired records have left behind: nothing up to these
// instants is admitted, by auth_time (or iat, where there is none) and by iat.
type horizon struct{ signIn, refresh atomic.Int64 }

// A slot holds the step-ups in force for one target, sorted. The list is
// replaced, never changed.
type slot = atomic.Pointer[[]*Demand]

type subjectOf struct {
	class *class
	key   Key
}

// place is where a block or step-up stands in the index, and what it demands. A
// ref has more than one when a ledger lost its tail, wrote another record under
// the same ref, and both were restated since: then both hold.
type place struct {
	subjectOf
	demand *Demand
}

// Demand is one step-up in force for a target.
type Demand struct {
	Ref       Ref
	Through   int64
	ACR       []string
	AMR       []string
	Sensitive bool
}

// Bound is the latest instant up to which something refuses, and the record
// that says so. The zero Bound refuses nothing.
type Bound struct {
	Through int64
	Ref     Ref
}

// Finding is everything in the index that matches one credential.
type Finding struct {
	// Blocked, by the record Block.
	Blocked bool
	Block   Ref
	// Finally refused, by the record Final.
	Finally bool
	Final   Ref
	// SignIn and Refresh are the latest cuts of their mode. They are apart
	// because a later refresh cut must not hide an earlier sign_in cut.
	SignIn, Refresh Bound
	// Session and Device are the latest sign_in cuts of the credential's
	// session and of its device; SignIn includes them. Without an auth_time a
	// session is refused whatever the iat.
	Session, Device Bound
	// StepUps are in force; whether they are satisfied is for the policy.
	StepUps []*Demand
}

// Clear reports whether nothing matched.
func (f *Finding) Clear() bool {
	return !f.Blocked && !f.Finally && f.SignIn.Through == 0 && f.Refresh.Through == 0 && len(f.StepUps) == 0
}

// Generation changes whenever the index does. A finding stays true for as long
// as the generation that was read before it does.
func (x *Index) Generation() uint64 { return x.generation.Load() }

// Find looks the credential up among every class of records that exists. A
// credential that was not sealed can't be told from a revoked one, and is
// reported as one.
func (x *Index) Find(c *Credential, f *Finding) {
	*f = Finding{}
	if c.present == 0 {
		f.Finally = true
		return
	}
	all := x.classes.Load()
	if all == nil {
		return
	}
	for _, cl := range all.anywhere {
		x.match(cl, c, f)
	}
	of := all.byIssuer[c.Issuer]
	if of == nil {
		return
	}
	for _, cl := range of.list {
		x.match(cl, c, f)
	}
	// The horizon last: what leaves a table while it is read has raised it before.
	f.SignIn.exceed(of.signIn.Load())
	f.Refresh.exceed(of.refresh.Load())
}

func (x *Index) match(cl *class, c *Credential, f *Finding) {
	key, ok := c.key(cl.kind)
	if !ok || cl.exemptClients != nil && slices.Contains(cl.exemptClients, c.Client) {
		return
	}
	a, b, ok := cl.table.get(key)
	if !ok {
		return
	}
	switch through, ref := unpack(a, b); {
	case cl.typ == Block:
		if through != 0 && (!f.Blocked || ref.Compare(f.Block) < 0) {
			f.Blocked, f.Block = true, ref
		}
	case cl.typ == StepUp:
		if through != 0 {
			f.addStepUps(*(*x.slots.Load())[b].Load())
		}
	case cl.mode == Final:
		if !f.Finally || ref.Compare(f.Final) < 0 {
			f.Finally, f.Final = true, ref
		}
	case cl.mode == Refresh:
		f.Refresh.raise(through, ref)
	default:
		f.SignIn.raise(through, ref)
		switch cl.kind {
		case KindSession:
			f.Session.raise(through, ref)
		case KindSubjectDevice, KindSubjectDeviceClient, KindDevice:
			f.Device.raise(through, ref)
		}
	}
}

// addStepUps shares the list while there is one, and copies when several
// targets of one credential have step-ups.
func (f *Finding) addStepUps(list []*Demand) {
	if len(f.StepUps) == 0 {
		f.StepUps = list
		return
	}
	f.StepUps = append(slices.Clip(f.StepUps), list...)
}

// raise keeps the later instant; of two records with the same one, the earlier
// record, so that the order of arrival makes no difference.
func (b *Bound) raise(through int64, ref Ref) {
	if through > b.Through || through == b.Through && through != 0 && ref.Compare(b.Ref) < 0 {
		b.Through, b.Ref = through, ref
	}
}

// exceed raises the bound to an instant that no record stands for any more.
func (b *Bound) exceed(through int64) {
	if through > b.Through {
		*b = Bound{Through: through}
	}
}

// A value holds an instant and a reference in two words. The epoch takes 16
// bits: a ledger that begins its 65,536th epoch is refused before it is folded.
func pack(through int64, r Ref) (a, b uint64) {
	return uint64(through)<<32 | (r.Epoch&0xffff)<<16 | uint64(r.Item), r.Sequence
}

func unpack(a, b uint64) (int64, Ref) {
	return int64(a >> 32), Ref{Position{a >> 16 & 0xffff, b}, uint16(a)}
}

// MaxEpoch is the largest epoch of a ledger.
const MaxEpoch = 1<<16 - 1

// Apply folds an entry into the index: in any order, any number of times.
func (x *Index) Apply(e Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.epoch = max(x.epoch, e.Position.Epoch)
	for i := range e.Records {
		r := &e.Records[i]
		x.apply(r, r.RefAt(Ref{e.Position, uint16(i)}), e.Position.Epoch)
	}
	// After the tables: a reader that sees the new generation finds the records.
	x.generation.Add(1)
}

func (x *Index) apply(r *Record, ref Ref, epoch uint64) {
	switch r.Type {
	case Genesis:
		if r.Through > 0 {
			x.cut(x.class(r, KindEveryone, SignIn), &r.Target, r.Through, ref, epoch)
		}
	case Cut:
		kind, _ := r.Target.Kind()
		x.cut(x.class(r, kind, r.Mode), &r.Target, r.keptFrom(), ref, epoch)
	case Block, StepUp:
		x.hold(r, ref)
	case Lift:
		x.lift(r.Lifts)
	}
}

// cut keeps the latest instant; of two records with the same one, the earlier
// record.
func (x *Index) cut(cl *class, t *Target, through int64, ref Ref, epoch uint64) {
	cl.latest = max(cl.latest, through)
	if epoch > cl.epoch {
		cl.epoch, cl.inEpoch = epoch, 0
	}
	if epoch == cl.epoch {
		cl.inEpoch = max(cl.inEpoch, through)
	}
	a, b := pack(through, ref)
	if cl.table.replace(keyOf(cl.kind, t), a, b, earlier) {
		x.counts[cl.kind].Add(1)
	}
}

// earlier says what a cut replaces: one with an earlier instant; of two with
// the same one, the later record.
func earlier(oldA, oldB, a, b uint64) bool {
	old, first := unpack(oldA, oldB)
	through, ref := unpack(a, b)
	return through > old || through == old && ref.Compare(first) < 0
}

// hold puts a block or a step-up in force, unless it was lifted already.
func (x *Index) hold(r *Record, ref Ref) {
	kind, _ := r.Target.Kind()
	cl := x.class(r, kind, 0)
	if _, lifted := x.lifted[ref]; lifted {
		return
	}
	p := place{subjectOf: subjectOf{cl, keyOf(kind, &r.Target)}}
	if r.Type == StepUp {
		p.demand = &Demand{Ref: ref, Through: r.Through, ACR: r.ACR, AMR: r.AMR, Sensitive: r.Sensitive}
	}
	if slices.ContainsFunc(x.where[ref], p.same) {
		return
	}
	if x.where == nil {
		x.where, x.active = make(map[Ref][]place), make(map[subjectOf][]Ref)
	}
	x.where[ref] = append(x.where[ref], p)
	refs := x.active[p.subjectOf]
	if at, found := slices.BinarySearchFunc(refs, ref, Ref.Compare); !found {
		x.active[p.subjectOf] = slices.Insert(refs, at, ref)
	}
	x.counts[kind].Add(1)
	x.publish(p.subjectOf)
}

func (p place) same(q place) bool {
	return p.subjectOf == q.subjectOf && (p.demand == nil || p.demand.compare(q.demand) == 0)
}

// compare orders demands by ref; of one ref, by what they demand.
func (d *Demand) compare(e *Demand) int {
	sensitive := func(d *Demand) int {
		if d.Sensitive {
			return 1
		}
		return 0
	}
	return cmp.Or(d.Ref.Compare(e.Ref), cmp.Compare(d.Through, e.Through), slices.Compare(d.ACR, e.ACR),
		slices.Compare(d.AMR, e.AMR), sensitive(d)-sensitive(e))
}

func (x *Index) lift(ref Ref) {
	if _, done := x.lifted[ref]; done {
		return
	}
	if x.lifted == nil {
		x.lifted = make(map[Ref]struct{})
	}
	x.lifted[ref] = struct{}{}
	places := x.where[ref]
	delete(x.where, ref)
	for _, p := range places {
		x.release(p.subjectOf, ref)
		x.counts[p.class.kind].Add(-1)
	}
}

// release takes a ref out of what is in force for one target.
func (x *Index) release(s subjectOf, ref Ref) {
	refs := x.active[s]
	at, found := slices.BinarySearchFunc(refs, ref, Ref.Compare)
	if !found {
		return
	}
	if refs = slices.Delete(refs, at, at+1); len(refs) == 0 {
		delete(x.active, s)
	} else {
		x.active[s] = refs
	}
	x.publish(s)
}

// publish writes what is in force for one target where readers see it.
func (x *Index) publish(s subjectOf) {
	refs := x.active[s]
	if s.class.typ == Block {
		var a, b uint64
		if len(refs) > 0 {
			a, b = pack(1, refs[0])
		}
		s.class.table.put(s.key, a, b)
		return
	}
	list := make([]*Demand, 0, len(refs))
	for _, ref := range refs {
		for _, p := range x.where[ref] {
			if p.subjectOf == s {
				list = append(list, p.demand)
			}
		}
	}
	slices.SortFunc(list, (*Demand).compare)
	if _, b, ok := s.class.table.get(s.key); ok {
		(*x.slots.Load())[b].Store(&list)
		return
	}
	// Slots are appended, never moved, and filled before a cell names them: a
	// reader that races sees the old list or the new one.
	var slots []*slot
	if old := x.slots.Load(); old != nil {
		slots = *old
	}
	n := new(slot)
	n.Store(&list)
	slots = append(slots, n)
	x.slots.Store(&slots)
	s.class.table.put(s.key, 1<<32, uint64(len(slots)-1))
}

// class finds or makes the class of a record.
func (x *Index) class(r *Record, kind Kind, mode Mode) *class {
	id := classID{typ: r.Type, issuer: r.Target.Issuer, kind: kind, mode: mode, keep: r.Keep}
	if r.Type == Genesis {
		id.typ, id.keep = Cut, 0
	}
	for _, client := range r.ExemptClients {
		id.exempt += strconv.Quote(client)
	}
	if x.recent == nil || x.recent.classID != id {
		x.recent = x.classOf(id, r.ExemptClients)
	}
	return x.recent
}

func (x *Index) classOf(id classID, exempt []string) *class {
	old := x.classes.Load()
	if old != nil {
		if cl := old.all[id]; cl != nil {
			return cl
		}
	}
	cl := &class{classID: id, exemptClients: slices.Clone(exempt)}
	x.classes.Store(old.with(cl))
	return cl
}

// with is a copy that has one class more. The receiver may be nil.
func (o *classes) with(cl *class) *classes {
	n := &classes{byIssuer: make(map[string]*issuerClasses), all: map[classID]*class{cl.classID: cl}}
	if o != nil {
		n.anywhere = o.anywhere
		for id, c := range o.all {
			n.all[id] = c
		}
		for issuer, of := range o.byIssuer {
			n.byIssuer[issuer] = of
		}
	}
	if cl.issuer == "" {
		n.anywhere = inserted(n.anywhere, cl)
		return n
	}
	of := &issuerClasses{horizon: new(horizon)}
	if before := n.byIssuer[cl.issuer]; before != nil {
		of.list, of.horizon = before.list, before.horizon
	}
	of.list = inserted(of.list, cl)
	n.byIssuer[cl.issuer] = of
	return n
}

// inserted is a copy of a sorted list that has one class more.
func inserted(list []*class, cl *class) []*class {
	at, _ := slices.BinarySearchFunc(list, cl, func(a, b *class) int { return a.compare(b.classID) })
	return slices.Insert(slices.Clip(list), at, cl)
}

func (a classID) compare(b classID) int {
	return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.issuer, b.issuer), cmp.Compare(a.kind, b.kind),
		cmp.Compare(a.mode, b.mode), cmp.Compare(a.keep, b.keep), cmp.Compare(a.exempt, b.exempt))
}

// Expire drops the cuts that expired before now, a Unix second, and raises the
// horizons in their place. It returns how many went.
func (x *Index) Expire(now int64) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.classes.Load()
	if all == nil {
		return 0
	}
	dropped, raised := 0, false
	for _, of := range all.byIssuer {
		for _, cl := range of.list {
			if cl.typ != Cut || cl.keep == 0 {
				continue
			}
			// Not the latest that goes, which depends on what was superseded
			// before: this is the same in whatever order records arrived.
			gone := cl.expired(now, cl.latest)
			// The horizon first: at no moment is anything admitted that was not.
			raised = of.raise(cl.mode, gone) || raised
			n := cl.table.retain(func(a uint64) bool {
				through, _ := unpack(a, 0)
				return through > gone
			})
			x.counts[cl.kind].Add(int64(-n))
			dropped += n
		}
	}
	if raised || dropped > 0 {
		x.generation.Add(1)
	}
	return dropped
}

// raise reports whether through is later than the horizon was.
func (h *horizon) raise(m Mode, through int64) bool {
	instant := &h.signIn
	if m.horizon() == Refresh {
		instant = &h.refresh
	}
	if through <= instant.Load() {
		return false
	}
	instant.Store(through)
	return true
}

// InForce reports whether a block or step-up is known and not lifted.
func (x *Index) InForce(ref Ref) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, held := x.where[ref]
	return held
}

// Entries is the number of targets of a kind that something is in force for.
func (x *Index) Entries(k Kind) int64 { return x.counts[k].Load() }

// Bytes is the memory that the tables take.
func (x *Index) Bytes() int64 {
	all := x.classes.Load()
	if all == nil {
		return 0
	}
	n := 0
	for _, cl := range all.all {
		n += cl.table.bytes()
	}
	return int64(n)
}
