package revocation

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The encoding of an entry's records: one version byte, the number of records,
// then each as its length and its fields. A field is a tag and a value: an
// unsigned varint for tags below tagBytes, length-prefixed bytes from there on.
// Fields with zero values are left out and tags ascend, so each list of records
// has one encoding. An unknown version, type or tag is an error: a record that
// is not understood must never be skipped.
const codecVersion = 1

// Format is the newest form of a record that this build reads and writes. The
// package documentation says what raises it.
const Format = 1

// Format is the smallest [Format] of a build that reads the record.
func (r *Record) Format() int { return 1 }

// A tag never gets another meaning. A new number takes the next free tag below
// tagBytes, a new text the next one from tagNew on.
const (
	tagType           = 1
	tagMode           = 2
	tagAt             = 3
	tagThrough        = 4
	tagKeep           = 5
	tagLiftsEpoch     = 6
	tagLiftsSequence  = 7
	tagLiftsItem      = 8
	tagSensitive      = 9
	tagTime           = 10
	tagOriginEpoch    = 11
	tagOriginSequence = 12
	tagOriginItem     = 13

	tagBytes = 32 // from here on a value is bytes; tags of lists repeat

	tagIssuer     = 33
	tagSubject    = 34
	tagClient     = 35
	tagDevice     = 36
	tagSession    = 37
	tagTokenID    = 38
	tagJKT        = 39
	tagX5TS256    = 40
	tagTenant     = 41
	tagSignedBy   = 42
	tagExempt     = 43
	tagACR        = 44
	tagAMR        = 45
	tagSource     = 46
	tagActor      = 47
	tagOnBehalfOf = 48
	tagReason     = 49
	tagRemote     = 50
	tagRequestID  = 51
	tagLimit      = 52

	tagNew = 64
)

// field is one field of a record and its tag. It has one of the three accessors.
type field struct {
	tag    byte
	number *number
	text   func(*Record) *string
	list   func(*Record) *[]string
}

type number struct {
	limit uint64
	get   func(*Record) uint64
	set   func(*Record, uint64)
}

// fields are all there are, in the order in which they are written.
var fields = [...]field{
	{tag: tagType, number: &number{math.MaxUint8, func(r *Record) uint64 { return uint64(r.Type) }, func(r *Record, n uint64) { r.Type = Type(n) }}},
	{tag: tagMode, number: &number{math.MaxUint8, func(r *Record) uint64 { return uint64(r.Mode) }, func(r *Record, n uint64) { r.Mode = Mode(n) }}},
	{tag: tagAt, number: signed(func(r *Record) *int64 { return &r.At })},
	{tag: tagThrough, number: signed(func(r *Record) *int64 { return &r.Through })},
	{tag: tagKeep, number: signed(func(r *Record) *int64 { return &r.Keep })},
	{tag: tagLiftsEpoch, number: unsigned(func(r *Record) *uint64 { return &r.Lifts.Epoch })},
	{tag: tagLiftsSequence, number: unsigned(func(r *Record) *uint64 { return &r.Lifts.Sequence })},
	{tag: tagLiftsItem, number: item(func(r *Record) *uint16 { return &r.Lifts.Item })},
	{tag: tagSensitive, number: &number{1, sensitive, func(r *Record, _ uint64) { r.Sensitive = true }}},
	{tag: tagTime, number: signed(func(r *Record) *int64 { return &r.Time })},
	{tag: tagOriginEpoch, number: unsigned(func(r *Record) *uint64 { return &r.Origin.Epoch })},
	{tag: tagOriginSequence, number: unsigned(func(r *Record) *uint64 { return &r.Origin.Sequence })},
	{tag: tagOriginItem, number: item(func(r *Record) *uint16 { return &r.Origin.Item })},
	{tag: tagIssuer, text: func(r *Record) *string { return &r.Target.Issuer }},
	{tag: tagSubject, text: func(r *Record) *string { return &r.Target.Subject }},
	{tag: tagClient, text: func(r *Record) *string { return &r.Target.Client }},
	{tag: tagDevice, text: func(r *Record) *string { return &r.Target.Device }},
	{tag: tagSession, text: func(r *Record) *string { return &r.Target.Session }},
	{tag: tagTokenID, text: func(r *Record) *string { return &r.Target.TokenID }},
	{tag: tagJKT, text: func(r *Record) *string { return &r.Target.JKT }},
	{tag: tagX5TS256, text: func(r *Record) *string { return &r.Target.X5TS256 }},
	{tag: tagTenant, text: func(r *Record) *string { return &r.Target.Tenant }},
	{tag: tagSignedBy, text: func(r *Record) *string { return &r.Target.SignedBy }},
	{tag: tagExempt, list: func(r *Record) *[]string { return &r.ExemptClients }},
	{tag: tagACR, list: func(r *Record) *[]string { return &r.ACR }},
	{tag: tagAMR, list: func(r *Record) *[]string { return &r.AMR }},
	{tag: tagSource, text: func(r *Record) *string { return &r.Source }},
	{tag: tagActor, text: func(r *Record) *string { return &r.Actor }},
	{tag: tagOnBehalfOf, text: func(r *Record) *string { return &r.OnBehalfOf }},
	{tag: tagReason, text: func(r *Record) *string { return &r.Reason }},
	{tag: tagRemote, text: func(r *Record) *string { return &r.Remote }},
	{tag: tagRequestID, text: func(r *Record) *string { return &r.RequestID }},
	{tag: tagLimit, list: func(r *Record) *[]string { return &r.Limits }},
}

func signed(of func(*Record) *int64) *number {
	return &number{math.MaxInt64, func(r *Record) uint64 { return uint64(*of(r)) }, func(r *Record, n uint64) { *of(r) = int64(n) }}
}

func unsigned(of func(*Record) *uint64) *number {
	return &number{math.MaxUint64, func(r *Record) uint64 { return *of(r) }, func(r *Record, n uint64) { *of(r) = n }}
}

func item(of func(*Record) *uint16) *number {
	return &number{math.MaxUint16, func(r *Record) uint64 { return uint64(*of(r)) }, func(r *Record, n uint64) { *of(r) = uint16(n) }}
}

func sensitive(r *Record) uint64 {
	if r.Sensitive {
		return 1
	}
	return 0
}

// fieldOf finds a field by its tag; nil: there is none.
var fieldOf = func() (all [math.MaxUint8 + 1]*field) {
	for i := range fields {
		all[fields[i].tag] = &fields[i]
	}
	return all
}()

// MaxRecords is how many records one entry may carry.
const MaxRecords = 1 << 16

// AppendRecords appends the encoding of records to b.
func AppendRecords(b []byte, records []Record) []byte {
	b = append(b, codecVersion)
	b = binary.AppendUvarint(b, uint64(len(records)))
	var scratch []byte
	for i := range records {
		scratch = appendRecord(scratch[:0], &records[i])
		b = binary.AppendUvarint(b, uint64(len(scratch)))
		b = append(b, scratch...)
	}
	return b
}

func appendRecord(b []byte, r *Record) []byte {
	for i := range fields {
		switch f := &fields[i]; {
		case f.number != nil:
			if n := f.number.get(r); n != 0 {
				b = binary.AppendUvarint(append(b, f.tag), n)
			}
		case f.text != nil:
			b = appendText(b, f.tag, *f.text(r))
		default:
			for _, s := range *f.list(r) {
				b = appendText(b, f.tag, s)
			}
		}
	}
	return b
}

func appendText(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	b = binary.AppendUvarint(append(b, tag), uint64(len(s)))
	return append(b, s...)
}

// DecodeRecords reads what [AppendRecords] wrote and validates each record.
// Every error wraps [ErrRecord], and [ErrNewer] where a newer build can read it.
func DecodeRecords(b []byte) ([]Record, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrRecord)
	}
	if b[0] != codecVersion {
		return nil, fmt.Errorf("%w: version %d, this build reads %d: %w", ErrRecord, b[0], codecVersion, ErrNewer)
	}
	d := decoder[[]byte]{b: b[1:]}
	n := d.uvarint()
	if n == 0 || n > MaxRecords || n > uint64(d.left()) {
		return nil, fmt.Errorf("%w: %d records", ErrRecord, n)
	}
	records := make([]Record, n)
	for i := range records {
		// One string holds all texts of a record: a copy for each would be most
		// of what decoding costs.
		of := decoder[string]{b: string(d.bytes())}
		switch ok := decodeRecord(&of, &records[i]) && !d.bad; {
		case !ok:
			return nil, fmt.Errorf("%w: record %d is malformed", ErrRecord, i)
		case of.newer:
			return nil, fmt.Errorf("%w: record %d has a field, type or mode beyond format %d, the newest that this build reads: %w",
				ErrRecord, i, Format, ErrNewer)
		}
	}
	if d.left() != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last record", ErrRecord, d.left())
	}
	if err := ValidateRecords(records); err != nil {
		return nil, err
	}
	return records, nil
}

// decoder takes values off the front of b. It counts, and doesn't cut b: that
// would be a write of a pointer for each value, which the collector watches.
type decoder[T string | []byte] struct {
	b     T
	at    int // the rest begins here
	bad   bool
	newer bool // a value is none that this build knows
}

// left is how many bytes there are still; none after an error.
func (d *decoder[T]) left() int { return len(d.b) - d.at }

func (d *decoder[T]) uvarint() uint64 {
	var n uint64
	for i := 0; i < min(d.left(), binary.MaxVarintLen64); i++ {
		c := d.b[d.at+i]
		n |= uint64(c&0x7f) << (7 * i)
		if c >= 0x80 {
			continue
		}
		if i > 0 && c == 0 || i == binary.MaxVarintLen64-1 && c > 1 { // padded, or beyond 64 bits
			break
		}
		d.at += i + 1
		return n
	}
	d.fail()
	return 0
}

func (d *decoder[T]) bytes() (v T) {
	n := d.uvarint()
	if n > uint64(d.left()) {
		d.fail()
		return v
	}
	v = d.b[d.at : d.at+int(n)]
	d.at += int(n)
	return v
}

func (d *decoder[T]) fail() { d.bad, d.at = true, len(d.b) }

// decodeRecord reads the fields of one record and reports whether it is well
// formed. Fields that this build does not know are well formed too: they tell a
// record of a newer build from a damaged one.
func decodeRecord(d *decoder[string], r *Record) bool {
	last := byte(0)
	for d.left() > 0 {
		tag := d.b[d.at]
		d.at++
		if tag < last || tag == 0 {
			return false
		}
		f := fieldOf[tag]
		if f == nil {
			if !d.skip(tag, tag == last) {
				return false
			}
			last = tag
			continue
		}
		if tag == last && f.list == nil {
			return false
		}
		last = tag
		if f.number != nil {
			n := d.uvarint()
			if n == 0 || n > f.number.limit {
				return false
			}
			f.number.set(r, n)
			continue
		}
		s := d.bytes()
		switch {
		case s == "":
			return false
		case f.text != nil:
			*f.text(r) = s
		default:
			list := f.list(r)
			*list = append(*list, s)
		}
	}
	d.newer = d.newer || r.Type >= numTypes || r.Mode > Final
	return true
}

// skip passes over the value of an unknown tag, and reports whether there can be
// such a field.
func (d *decoder[T]) skip(tag byte, repeats bool) bool {
	d.newer = true
	if tag >= tagBytes {
		return len(d.bytes()) > 0
	}
	return !repeats && d.uvarint() > 0
}
