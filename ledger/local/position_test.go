package local

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

func headAt(sequence uint64) ledger.Head {
	return ledger.Head{Position: revocation.Position{Epoch: 7, Sequence: sequence}, Chain: [32]byte{byte(sequence), 1}}
}

// After a torn write of one slot the other slot counts. It is never older than the
// last completed write.
func TestPositionTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	if err := createPosition(path, headAt(1)); err != nil {
		t.Fatal(err)
	}
	p, err := openPosition(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for n := uint64(2); n < 12; n++ {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.write(headAt(n)); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for torn := range slotSize {
			b := append([]byte(nil), before...)
			at := p.which * slotStride
			copy(b[at:at+torn], after[at:])
			s, _, err := parseSlots(b)
			if err != nil || s.head != headAt(n-1) && s.head != headAt(n) {
				t.Fatalf("torn at %d while writing %d: %s, %v", torn, n, s.head.Position, err)
			}
		}
	}
}

func TestPositionSeal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	if err := createPosition(path, headAt(1)); err != nil {
		t.Fatal(err)
	}
	p, err := openPosition(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.seal(headAt(5)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if s, ok := parseSlot(b[i*slotStride:]); !ok || s.head != headAt(5) {
			t.Errorf("slot %d says %s, %t after sealing", i, s.head.Position, ok)
		}
	}
}

// Reading any file does not panic, and returns the whole head of one slot.
func FuzzPosition(f *testing.F) {
	whole := make([]byte, sizeSlots)
	slot{3, headAt(8)}.append(whole[:0])
	slot{4, headAt(9)}.append(whole[:slotStride])
	f.Add(whole)
	f.Add(whole[:slotStride])
	f.Add(whole[slotStride:])
	f.Add(whole[:slotSize-1])
	f.Add([]byte{})
	f.Add(append(append([]byte(nil), slotMagic...), make([]byte, slotSize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, which, err := parseSlots(b)
		if err != nil {
			return
		}
		again := s.append(nil)
		if string(again) != string(b[which*slotStride:][:slotSize]) {
			t.Errorf("slot %d was read as %+v, which is written otherwise", which, s)
		}
	})
}

// A ledger that a newer Curfew wrote is not ready and names the mend.
func TestNewerPosition(t *testing.T) {
	newer := slot{9, headAt(5)}.append(nil)
	newer[16] = formatVersion + 1
	sum := sha256.Sum256(newer[:slotSize-sha256.Size])
	copy(newer[slotSize-sha256.Size:], sum[:])
	another := append([]byte(nil), newer...)
	another[len(slotMagic)-1]++
	for name, b := range map[string][]byte{"another head": newer, "another file": another} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			mustOpen(t, o).Close()
			if err := os.WriteFile(filepath.Join(o.Dir, filePosition), b, 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Open(o)
			if err == nil {
				l.Close()
			}
			if !errors.Is(err, ledger.ErrIntegrity) || !strings.Contains(err.Error(), "newer Curfew") {
				t.Errorf("opening: %v, want to be told to upgrade", err)
			}
			if r := Inspect(o.Dir, ""); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Mend, "upgrade") {
				t.Errorf("report: %+v, want to be told to upgrade", r)
			}
		})
	}
}
