package revocation

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The encoding of an entry's records: one version byte, the number of records,
// then each as its length and its fields. A field is a tag and a value: an
// unsigned varint for tags below tagBytes, length-prefixed bytes from there on. Fields with
// zero values are left out and tags ascend, so each list of records has one
// encoding. An unknown version, type or tag is an error: a record that is not
// understood must never be skipped.
const codecVersion = 1

const (
	tagType = iota + 1
	tagMode
	tagAt
	tagThrough
	tagKeep
	tagLiftsEpoch
	tagLiftsSequence
	tagLiftsItem
	tagSensitive
	tagTime
	tagOriginEpoch
	tagOriginSequence
	tagOriginItem
)

// Tags from tagBytes on are followed by length-prefixed bytes; those of lists
// repeat. Each member of a target has one, from tagTarget on.
const (
	tagBytes  = 32
	tagTarget = 33
)

const (
	tagExempt byte = iota + tagTarget + byte(len(memberNames))
	tagACR
	tagAMR
	tagSource
	tagActor
	tagOnBehalfOf
	tagReason
	tagRemote
	tagRequestID
	tagLimit
)

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
	number := func(tag byte, n uint64) {
		if n != 0 {
			b = append(b, tag)
			b = binary.AppendUvarint(b, n)
		}
	}
	text := func(tag byte, s string) {
		if s != "" {
			b = append(b, tag)
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	list := func(tag byte, l []string) {
		for _, s := range l {
			text(tag, s)
		}
	}
	number(tagType, uint64(r.Type))
	number(tagMode, uint64(r.Mode))
	number(tagAt, uint64(r.At))
	number(tagThrough, uint64(r.Through))
	number(tagKeep, uint64(r.Keep))
	number(tagLiftsEpoch, r.Lifts.Epoch)
	number(tagLiftsSequence, r.Lifts.Sequence)
	number(tagLiftsItem, uint64(r.Lifts.Item))
	if r.Sensitive {
		number(tagSensitive, 1)
	}
	number(tagTime, uint64(r.Time))
	number(tagOriginEpoch, r.Origin.Epoch)
	number(tagOriginSequence, r.Origin.Sequence)
	number(tagOriginItem, uint64(r.Origin.Item))
	for i, m := range r.Target.members() {
		text(tagTarget+byte(i), m.Value)
	}
	list(tagExempt, r.ExemptClients)
	list(tagACR, r.ACR)
	list(tagAMR, r.AMR)
	text(tagSource, r.Source)
	text(tagActor, r.Actor)
	text(tagOnBehalfOf, r.OnBehalfOf)
	text(tagReason, r.Reason)
	text(tagRemote, r.Remote)
	text(tagRequestID, r.RequestID)
	list(tagLimit, r.Limits)
	return b
}

// DecodeRecords reads what [AppendRecords] wrote and validates each record.
// Every error wraps [ErrRecord].
func DecodeRecords(b []byte) ([]Record, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrRecord)
	}
	if b[0] != codecVersion {
		return nil, fmt.Errorf("%w: version %d, this build understands %d: a newer Curfew wrote it, upgrade this node",
			ErrRecord, b[0], codecVersion)
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
		f := fields{decoder[string]{b: string(d.bytes())}}
		f.record(&records[i])
		if f.bad || d.bad {
			return nil, fmt.Errorf("%w: record %d is malformed", ErrRecord, i)
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
	b   T
	at  int // what is left begins here
	bad bool
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

// fields are those of one record.
type fields struct{ decoder[string] }

func (f *fields) record(r *Record) {
	last := byte(0)
	for f.left() > 0 {
		tag := f.b[f.at]
		f.at++
		repeats := tag == tagExempt || tag == tagACR || tag == tagAMR || tag == tagLimit
		if tag < last || tag == last && !repeats {
			f.bad = true
			return
		}
		last = tag
		if tag < tagBytes {
			f.number(r, tag, f.uvarint())
		} else {
			f.text(r, tag, f.bytes())
		}
		if f.bad {
			return
		}
	}
}

func (f *fields) number(r *Record, tag byte, n uint64) {
	limit := uint64(math.MaxInt64)
	switch tag {
	case tagType, tagMode:
		limit = math.MaxUint8
	case tagLiftsItem, tagOriginItem:
		limit = math.MaxUint16
	case tagLiftsEpoch, tagLiftsSequence, tagOriginEpoch, tagOriginSequence:
		limit = math.MaxUint64
	case tagSensitive:
		limit = 1
	}
	if n == 0 || n > limit {
		f.bad = true
		return
	}
	switch tag {
	case tagType:
		r.Type = Type(n)
	case tagMode:
		r.Mode = Mode(n)
	case tagAt:
		r.At = int64(n)
	case tagThrough:
		r.Through = int64(n)
	case tagKeep:
		r.Keep = int64(n)
	case tagLiftsEpoch:
		r.Lifts.Epoch = n
	case tagLiftsSequence:
		r.Lifts.Sequence = n
	case tagLiftsItem:
		r.Lifts.Item = uint16(n)
	case tagSensitive:
		r.Sensitive = true
	case tagTime:
		r.Time = int64(n)
	case tagOriginEpoch:
		r.Origin.Epoch = n
	case tagOriginSequence:
		r.Origin.Sequence = n
	case tagOriginItem:
		r.Origin.Item = uint16(n)
	default:
		f.bad = true
	}
}

func (f *fields) text(r *Record, tag byte, s string) {
	if s == "" {
		f.bad = true
		return
	}
	if tag >= tagTarget && tag < tagExempt {
		*r.Target.values()[tag-tagTarget] = s
		return
	}
	switch tag {
	case tagExempt:
		r.ExemptClients = append(r.ExemptClients, s)
	case tagACR:
		r.ACR = append(r.ACR, s)
	case tagAMR:
		r.AMR = append(r.AMR, s)
	case tagSource:
		r.Source = s
	case tagActor:
		r.Actor = s
	case tagOnBehalfOf:
		r.OnBehalfOf = s
	case tagReason:
		r.Reason = s
	case tagRemote:
		r.Remote = s
	case tagRequestID:
		r.RequestID = s
	case tagLimit:
		r.Limits = append(r.Limits, s)
	default:
		f.bad = true
	}
}
