package local

import (
	"errors"
	"strings"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// newerRecords returns cuts of alice with an extension of the encoding by a later
// build.
func newerRecords() map[string][]byte {
	const version, count = 1, 1
	encoded := revocation.AppendRecords(nil, cut("alice"))
	body := encoded[3:] // version, number of records and a length of one byte
	with := func(more ...byte) []byte {
		return append(append([]byte{version, count, byte(len(body) + len(more))}, body...), more...)
	}
	framing := append([]byte(nil), encoded...)
	framing[0]++
	return map[string][]byte{
		"a framing": framing,
		"a field":   with(99, 1, 'x'),
		"a type":    {version, count, 2, 1, 100},
	}
}

// A node that is older than its ledger serves nothing and names the mend, as doctor
// does. Adopting is refused, because it would lose records that only the newer build
// can read. The newer build then finds the files unchanged.
func TestALedgerOfANewerBuildSaysToUpgradeThisNode(t *testing.T) {
	for name, payload := range newerRecords() {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			l := mustOpen(t, o)
			mustAppend(t, l, 2)
			r := &request{draft: draft{payload: payload}, answer: make(chan answer, 1)}
			if err := l.send(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if a := <-r.answer; a.err != nil {
				t.Fatal(a.err)
			}
			head := l.Head()
			l.Close()

			l, err := Open(o)
			if err == nil {
				err = l.Read(t.Context(), revocation.Position{}, func(revocation.Entry) error { return nil })
				l.Close()
			}
			if !errors.Is(err, ledger.ErrIntegrity) || !errors.Is(err, revocation.ErrNewer) || !strings.Contains(err.Error(), "upgrade this node") {
				t.Errorf("reading: %v, want to be told to upgrade", err)
			}
			report := Inspect(o.Dir, "")
			if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Detail, "newer Curfew") ||
				!strings.Contains(report.Problems[0].Mend, "upgrade") {
				t.Errorf("report: %+v, want to be told to upgrade", report)
			}
			if _, err := Adopt(o); !errors.Is(err, revocation.ErrNewer) {
				t.Errorf("adopting: %v, want to be told to upgrade", err)
			}
			l = mustOpen(t, o)
			defer l.Close()
			if l.Head() != head {
				t.Errorf("the ledger ends at %s, was %s", l.Head().Position, head.Position)
			}
		})
	}
}
