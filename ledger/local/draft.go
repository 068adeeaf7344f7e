package local

import (
	"fmt"

	"curfew.dev/curfew/revocation"
)

// draft is an entry that has no position yet.
type draft struct {
	payload  []byte
	mentions []mention
	restated []restated
}

// mention names the account whose history has a record. It is the account of the
// record's target, or of the record that it lifts.
type mention struct {
	item    uint16
	origin  revocation.Ref
	subject subject
	lifts   revocation.Ref
}

// restated is a record of the draft that was first written under another ref.
type restated struct {
	item   uint16
	record revocation.Record
}

// newDraft encodes records. It refuses records that can't be read back with
// [revocation.ErrRecord], because they would stop the next start.
func newDraft(records []revocation.Record) (draft, error) {
	payload := revocation.AppendRecords(nil, records)
	if len(payload) > MaxEntry {
		return draft{}, fmt.Errorf("%w: an entry of %d bytes, the limit is %d: append fewer records at once", revocation.ErrRecord, len(payload), MaxEntry)
	}
	if _, err := revocation.DecodeRecords(payload); err != nil {
		return draft{}, err
	}
	return draftOf(payload, records), nil
}

// draftOf returns the draft of records and their encoding.
func draftOf(payload []byte, records []revocation.Record) draft {
	d := draft{payload: payload}
	for i := range records {
		d.note(&records[i], uint16(i))
	}
	return d
}

func (d *draft) note(r *revocation.Record, item uint16) {
	switch {
	case r.Type == revocation.Lift:
		d.mentions = append(d.mentions, mention{item: item, origin: r.Origin, lifts: r.Lifts})
	case r.Target.Issuer != "" && r.Target.Subject != "":
		d.mentions = append(d.mentions, mention{item: item, origin: r.Origin, subject: subjectOf(r.Target.Issuer, r.Target.Subject)})
	}
	if !r.Origin.IsZero() {
		d.restated = append(d.restated, restated{item, *r})
	}
}
