package revocation

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Position is a place in the ledger. It is opaque to callers of the API; the
// epoch is a number that grows, the sequence has no gaps within a ledger.
type Position struct {
	Epoch    uint64
	Sequence uint64
}

// String is `epoch.sequence`.
func (p Position) String() string {
	return strconv.FormatUint(p.Epoch, 10) + "." + strconv.FormatUint(p.Sequence, 10)
}

// Compare orders positions by epoch, then by sequence.
func (p Position) Compare(q Position) int {
	switch {
	case p == q:
		return 0
	case p.Epoch < q.Epoch, p.Epoch == q.Epoch && p.Sequence < q.Sequence:
		return -1
	}
	return 1
}

// ParsePosition reads what [Position.String] wrote, and nothing else.
func ParsePosition(s string) (Position, error) {
	epoch, sequence, ok := strings.Cut(s, ".")
	e, err1 := strconv.ParseUint(epoch, 10, 64)
	n, err2 := strconv.ParseUint(sequence, 10, 64)
	if p := (Position{e, n}); ok && err1 == nil && err2 == nil && p.String() == s {
		return p, nil
	}
	return Position{}, fmt.Errorf("%q is not a position: want epoch.sequence", s)
}

// Ref names one record: the position of its entry and its place in it. The
// zero Ref names none.
type Ref struct {
	Position
	Item uint16
}

// Compare orders refs by position, then by item.
func (r Ref) Compare(q Ref) int {
	if c := r.Position.Compare(q.Position); c != 0 {
		return c
	}
	return int(r.Item) - int(q.Item)
}

// IsZero reports whether r names no record.
func (r Ref) IsZero() bool { return r == Ref{} }

// String is `epoch.sequence.item`.
func (r Ref) String() string {
	return r.Position.String() + "." + strconv.FormatUint(uint64(r.Item), 10)
}

// ID is the public identifier of a record of type t at r, such as rev_7.1042.0.
func (r Ref) ID(t Type) string { return t.prefix() + r.String() }

// ParseID reads an identifier that [Ref.ID] wrote for a record of type t.
func ParseID(t Type, id string) (Ref, error) {
	rest, ok := strings.CutPrefix(id, t.prefix())
	cut := strings.LastIndexByte(rest, '.')
	if ok && cut > 0 {
		p, err1 := ParsePosition(rest[:cut])
		item, err2 := strconv.ParseUint(rest[cut+1:], 10, 16)
		if r := (Ref{p, uint16(item)}); err1 == nil && err2 == nil && r.ID(t) == id {
			return r, nil
		}
	}
	return Ref{}, fmt.Errorf("%q is not the id of a %s: want %sepoch.sequence.item", id, t, t.prefix())
}

// Type says what a record does.
type Type uint8

// The types of record.
const (
	TypeInvalid Type = iota
	// Genesis begins an epoch. With a Through it also signs out everybody,
	// whatever the issuer, as a sign_in cut of every credential.
	Genesis
	// Cut refuses credentials of the target from before an instant.
	Cut
	// Block refuses the target until it is lifted.
	Block
	// StepUp demands a stronger or newer authentication from an instant on.
	StepUp
	// Lift ends the block or step-up that it names, for good.
	Lift

	numTypes
)

var typeNames = [numTypes]string{"invalid", "genesis", "revocation", "block", "step_up", "lift"}

// String is the name of the type in events and messages.
func (t Type) String() string {
	if t >= numTypes {
		return typeNames[TypeInvalid]
	}
	return typeNames[t]
}

func (t Type) prefix() string {
	switch t {
	case Cut, Genesis:
		return "rev_"
	case Block:
		return "blk_"
	case StepUp:
		return "stp_"
	case Lift:
		return "lft_"
	}
	return "rec_"
}

// Mode says which instant of a credential a cut compares.
type Mode uint8

// The modes of a cut.
const (
	// SignIn refuses by auth_time: only a new sign-in helps.
	SignIn Mode = iota + 1
	// Refresh refuses by iat: a refreshed token is admitted.
	Refresh
	// Final refuses for good.
	Final
)

var modeNames = [...]string{"", "sign_in", "refresh", "final"}

// String is the mode's name in the API.
func (m Mode) String() string {
	if int(m) >= len(modeNames) {
		return ""
	}
	return modeNames[m]
}

// ParseMode reads a mode's name in the API.
func ParseMode(s string) (Mode, error) {
	for m := SignIn; m <= Final; m++ {
		if modeNames[m] == s {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%q is not a mode: want sign_in, refresh or final", s)
}

// Record is one line of the ledger's story. Which fields count depends on the
// type; the rest are zero. Records are values of the past: they carry copies
// of the configuration they depend on (Through, Keep, ExemptClients), so that
// no later change of configuration can un-revoke.
type Record struct {
	Type   Type
	Target Target // Cut, Block, StepUp
	Mode   Mode   // Cut

	// At is the instant of a cut or step-up in Unix milliseconds.
	At int64
	// Through is the L of the design: floor(At + the issuer's clock skew), in
	// Unix seconds. Credentials up to and including it are refused. Genesis
	// has it when it signs everybody out.
	Through int64
	// Keep is how long after Through the record matters, in seconds; 0 is for
	// ever. See [KeepFor].
	Keep int64
	// ExemptClients are passed by. Sorted, without duplicates.
	ExemptClients []string

	// Lifts is the record that a Lift ends.
	Lifts Ref

	// ACR (any of) and AMR (any of) are demanded by a StepUp in addition to a newer
	// authentication; Sensitive confines it to routes that are marked so.
	ACR       []string
	AMR       []string
	Sensitive bool

	// Origin is the ref under which the record was first written; zero: this
	// is the first time. A record is restated when its entry is about to be
	// trimmed, or when a ledger is repaired. It is known by its Origin from
	// then on, see [Record.RefAt]; a restated Genesis begins no epoch.
	Origin Ref

	// Who, why, when, from where: the audit.
	Source     string // "admin", "cli", the name of a sender, "genesis"
	Actor      string
	OnBehalfOf string
	Reason     string
	Remote     string   // peer address of the caller
	RequestID  string   //
	Time       int64    // accepted, Unix milliseconds
	Limits     []string // what the record can't do, as told in its receipt
}

// RefAt is what a record that stands at a ref is known by: its Origin, where it
// has one.
func (r *Record) RefAt(at Ref) Ref {
	if r.Origin.IsZero() {
		return at
	}
	return r.Origin
}

// Newest is the newest instant in the record, in Unix milliseconds: its writer
// knew that it had come.
func (r *Record) Newest() int64 { return max(r.At, r.Time) }

// MostAhead is how far beyond a writer's clock an instant that others have
// written may be, for a new cut to take it over. An instant further ahead comes
// from a clock that is wrong, and would lock people out for as long.
const MostAhead = time.Hour

// ErrRecord is wrapped by every error about a record or its encoding.
var ErrRecord = errors.New("invalid record")

// ErrNewer is wrapped by errors about what this build is too old to read.
// Nothing is damaged.
var ErrNewer = errors.New("a newer Curfew wrote it, upgrade this node")

// Validate checks that the record is complete for its type, as every record in
// a ledger must be. A record that passes is read back as it was written. The error
// wraps [ErrRecord].
func (r *Record) Validate() error {
	err := r.validateFields()
	if err == nil {
		err = r.validateType()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

func (r *Record) validateType() error {
	switch r.Type {
	case Genesis:
		if r.Target != (Target{}) {
			return errors.New("genesis has no target")
		}
		return nil
	case Lift:
		if r.Lifts.IsZero() {
			return errors.New("a lift names the record it ends")
		}
		return nil
	case Cut:
		if err := r.validateCut(); err != nil {
			return err
		}
	case Block:
	case StepUp:
		if r.Through == 0 {
			return errors.New("a step-up needs an instant")
		}
	default:
		return fmt.Errorf("unknown type %d", r.Type)
	}
	return r.Target.Validate()
}

// validateFields checks what the index and the encoding can hold.
func (r *Record) validateFields() error {
	if r.Through < 0 || r.Through > maxInstant || r.Keep < 0 || r.Keep > maxInstant || r.At < 0 || r.Time < 0 {
		return errors.New("an instant is out of range: it must lie between 1970 and 2106")
	}
	if o := r.Origin; !o.IsZero() && (o.Epoch == 0 || o.Epoch > MaxEpoch || o.Sequence == 0) {
		return fmt.Errorf("the origin %s is nowhere in a ledger", o)
	}
	for i, client := range r.ExemptClients {
		if i > 0 && r.ExemptClients[i-1] >= client {
			return errors.New("exempt clients must be sorted, without duplicates")
		}
	}
	for _, list := range [][]string{r.ExemptClients, r.ACR, r.AMR, r.Limits} {
		if slices.Contains(list, "") {
			return errors.New("a list has an empty value")
		}
	}
	return nil
}

func (r *Record) validateCut() error {
	switch {
	case r.Mode < SignIn || r.Mode > Final:
		return errors.New("a cut needs a mode")
	case r.Mode != Final && r.Through == 0, r.Keep > 0 && r.keptFrom() == 0:
		return errors.New("a cut needs an instant")
	case r.Keep > 0 && r.mustStay():
		return errors.New("a cut of this target and mode is for ever, it can't expire")
	}
	return nil
}

// mustStay reports whether nothing bounds the credentials that a cut refuses,
// so that letting it expire would let them in again. See [KeepFor].
func (r *Record) mustStay() bool {
	kind, _ := r.Target.Kind()
	return r.Mode == Final && kind != KindToken || r.Mode == SignIn && kind == KindSession
}

// ValidateRecords checks the records of one entry. A ledger calls it before it
// appends: what is durable and can't be read stops every node.
func ValidateRecords(records []Record) error {
	if len(records) == 0 || len(records) > MaxRecords {
		return fmt.Errorf("%w: an entry has 1 to %d records, not %d", ErrRecord, MaxRecords, len(records))
	}
	for i := range records {
		if err := records[i].Validate(); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

// Expires is the Unix second after which the record matters no more, and
// whether there is one. It is a function of the record alone. A cut of a key
// never expires, whatever its Keep: it has no issuer whose horizon could stand
// for it.
func (r *Record) Expires() (int64, bool) {
	return r.keptFrom() + r.Keep, r.Type == Cut && r.Keep > 0 && r.Target.Issuer != ""
}

// keptFrom is the instant that Keep counts from: Through. A final cut may be
// dated back and still mean a token that is younger than its date, so that one
// counts from its acceptance.
func (r *Record) keptFrom() int64 {
	if r.Mode != Final || r.Time <= r.At {
		return r.Through
	}
	return min(r.Through+(r.Time-r.At+999)/1000, maxInstant)
}

// maxInstant is the largest Unix second that the index can hold (year 2106).
const maxInstant = 1<<32 - 1

// KeepFor is the Keep of a cut: how long credentials that it refuses can still
// be presented. A sign_in cut outlives every auth_time that retention admits,
// and every token without one; a refresh cut, and one token, outlive every token. A session cut is for
// ever: where tokens carry no auth_time, nothing bounds a session. So is a cut
// of a key.
func KeepFor(k Kind, m Mode, retention, maxTokenLifetime time.Duration) int64 {
	switch {
	case m == Refresh, k == KindToken && m == Final:
		return ceilSeconds(maxTokenLifetime)
	case m == Final, k == KindSession:
		return 0
	}
	return ceilSeconds(max(retention, maxTokenLifetime))
}

func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// ThroughOf is the L of the design for an instant and an issuer's clock skew.
func ThroughOf(at time.Time, skew time.Duration) int64 { return at.Add(skew).Unix() }

// NewLift makes the record that ends a block or step-up.
func NewLift(by Author, now time.Time, ends Ref) Record {
	r := Record{Type: Lift, Lifts: ends}
	by.annotate(&r, now)
	return r
}

// NewGenesis makes the record that begins an epoch. It signs out everybody who
// signed in before an instant, with the skew of the issuers' clocks; the zero
// time signs out nobody.
func NewGenesis(by Author, now, signOutBefore time.Time, skew time.Duration) Record {
	r := Record{Type: Genesis}
	if !signOutBefore.IsZero() {
		r.At, r.Through = signOutBefore.UnixMilli(), ThroughOf(signOutBefore, skew)
	}
	by.annotate(&r, now)
	return r
}

// Entry is what the ledger appends at once: records that become durable
// together, at one position.
type Entry struct {
	Position Position
	Records  []Record
}
