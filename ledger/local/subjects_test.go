package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"curfew.dev/curfew/ledger/local"
)

func TestALedgerKnowsWhichClaimNamesPeople(t *testing.T) {
	o := local.Options{Dir: t.TempDir(), OnEmpty: local.Start}
	load := func(when string, wantFound, wantErr bool) local.Subjects {
		t.Helper()
		s, found, err := local.LoadSubjects(o.Dir)
		if found != wantFound || (err != nil) != wantErr {
			t.Errorf("%s: found %v, error %v", when, found, err)
		}
		return s
	}
	load("an empty directory", false, false)
	if err := local.SaveSubjects(o.Dir, local.Subjects{Epoch: 1, Claims: map[string]string{"i": "oid"}}); err != nil {
		t.Fatal(err)
	}
	load("without a ledger", false, false)
	if err := local.ForgetSubjects(o.Dir); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := load("a ledger of before", true, false); s.Claims != nil || s.Epoch != 0 {
		t.Errorf("it says %+v", s)
	}
	if err := local.SaveSubjects(o.Dir, local.Subjects{Epoch: 1, Claims: map[string]string{"i": "oid"}}); err != nil {
		t.Fatal(err)
	}
	if err := local.ForgetSubjects(o.Dir); err != nil { // not while there is a ledger
		t.Fatal(err)
	}
	if s := load("saved", true, false); s.Epoch != 1 || s.Claims["i"] != "oid" {
		t.Errorf("it says %+v", s)
	}
	file := filepath.Join(o.Dir, "subjects")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := range good {
		bad := append([]byte(nil), good...)
		bad[at] ^= 1
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		load("with one bit flipped", true, true)
	}
	if _, err := local.Adopt(o); err != nil {
		t.Fatal(err)
	}
	if s := load("adopted", true, false); s.Epoch != 1 || s.Claims != nil {
		t.Errorf("it says %+v of the epoch before", s)
	}
}
