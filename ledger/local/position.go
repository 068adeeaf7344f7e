package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/revocation"
)

// A position file has two slots, each in a block of its own. They are written in
// turn, so that a write that a power cut tears leaves the other slot readable. A
// slot is the magic, the generation, the head and a checksum over them.
const (
	slotStride = 4096
	slotSize   = 8 + 8 + sizeHead + sha256.Size
	sizeSlots  = 2 * slotStride
)

var slotMagic = []byte("curfew\x00\x01")

// errNoPosition means that neither slot can be read.
var errNoPosition = errors.New("no readable position")

// errNewerPosition means that neither slot can be read, and one may have a later
// format.
var errNewerPosition = fmt.Errorf("%w: %w", errNoPosition, revocation.ErrNewer)

// slot is one copy of the head. The slot with the larger generation counts.
type slot struct {
	generation uint64
	head       ledger.Head
}

func (s slot) append(b []byte) []byte {
	start := len(b)
	b = append(b, slotMagic...)
	b = binary.BigEndian.AppendUint64(b, s.generation)
	b = appendHead(b, s.head)
	sum := sha256.Sum256(b[start:])
	return append(b, sum[:]...)
}

func parseSlot(b []byte) (slot, bool) {
	if len(b) < slotSize || !bytes.HasPrefix(b, slotMagic) {
		return slot{}, false
	}
	body := b[:slotSize-sha256.Size]
	if sha256.Sum256(body) != [sha256.Size]byte(b[len(body):]) {
		return slot{}, false
	}
	head, err := headOf(body[16:])
	return slot{binary.BigEndian.Uint64(body[8:]), head}, err == nil
}

// newerSlot reports whether an unreadable slot may have a later format. If the
// other slot can be read, the cause is only a flipped bit.
func newerSlot(b []byte) bool {
	version := len(slotMagic) - 1
	if len(b) < slotSize || !bytes.HasPrefix(b, slotMagic[:version]) {
		return false
	}
	return b[version] > slotMagic[version] || b[version] == slotMagic[version] && b[16] > formatVersion
}

// parseSlots returns the newest readable slot of a position file and its index.
func parseSlots(b []byte) (newest slot, which int, err error) {
	found, newer := false, false
	for i := range 2 {
		if len(b) < i*slotStride {
			break
		}
		s, ok := parseSlot(b[i*slotStride:])
		if ok && (!found || s.generation > newest.generation) {
			newest, which, found = s, i, true
		}
		newer = newer || newerSlot(b[i*slotStride:])
	}
	switch {
	case found:
		return newest, which, nil
	case newer:
		return slot{}, 0, errNewerPosition
	}
	return slot{}, 0, errNoPosition
}

// readPosition reads a position file without changing it. The error wraps
// [os.ErrNotExist] or errNoPosition.
func readPosition(path string) (ledger.Head, error) {
	f, err := os.Open(path)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("reading the position: %w", err)
	}
	defer f.Close()
	newest, _, err := readSlots(f)
	return newest.head, err
}

func readSlots(f *os.File) (slot, int, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, sizeSlots))
	if err != nil {
		return slot{}, 0, fmt.Errorf("reading the position: %w", err)
	}
	newest, which, err := parseSlots(b)
	if err != nil {
		return slot{}, 0, fmt.Errorf("reading the position from %s: %w", f.Name(), err)
	}
	return newest, which, nil
}

// createPosition writes a new position file at path and syncs it.
func createPosition(path string, h ledger.Head) error {
	b := make([]byte, sizeSlots)
	for i := range 2 {
		slot{uint64(i + 1), h}.append(b[:i*slotStride])
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("creating the position: %w", err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("creating the position: %w", err)
	}
	return nil
}

// position is an open position file.
type position struct {
	file    *os.File
	newest  slot
	which   int
	scratch []byte
}

func openPosition(path string) (*position, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the position: %w", err)
	}
	newest, which, err := readSlots(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &position{file: f, newest: newest, which: which}, nil
}

// seal writes h to both slots. After a failed sync the newest slot may be in the
// page cache only, so it is first written again unchanged. If that write is torn,
// the disk still has the other slot.
func (p *position) seal(h ledger.Head) error {
	if err := p.put(p.newest, p.which); err != nil {
		return err
	}
	if err := p.write(h); err != nil {
		return err
	}
	return p.write(h)
}

// write makes h the durable position. After an error the file must be reopened.
func (p *position) write(h ledger.Head) error {
	return p.put(slot{p.newest.generation + 1, h}, 1-p.which)
}

func (p *position) put(s slot, which int) error {
	p.scratch = s.append(p.scratch[:0])
	if _, err := p.file.WriteAt(p.scratch, int64(which)*slotStride); err != nil {
		return fmt.Errorf("writing the position: %w", err)
	}
	if err := datasync(p.file); err != nil {
		return fmt.Errorf("syncing the position: %w", err)
	}
	p.newest, p.which = s, which
	return nil
}

func (p *position) close() error { return p.file.Close() }
