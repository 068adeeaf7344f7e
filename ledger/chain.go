package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"curfew.dev/curfew/revocation"
)

// Chainer computes the chain of a log: the hash of each entry and the hash before
// it. It reuses a buffer. The zero value is ready.
type Chainer struct{ scratch []byte }

// Next is the hash of an entry's records, encoded, at a position.
func (c *Chainer) Next(prev [sha256.Size]byte, p revocation.Position, records []byte) [sha256.Size]byte {
	c.scratch = append(c.scratch[:0], prev[:]...)
	c.scratch = binary.BigEndian.AppendUint64(c.scratch, p.Epoch)
	c.scratch = binary.BigEndian.AppendUint64(c.scratch, p.Sequence)
	c.scratch = append(c.scratch, records...)
	return sha256.Sum256(c.scratch)
}
