package account

import (
	"crypto/sha256"
	"encoding/binary"

	"curfew.dev/curfew/revocation"
)

// identity tells one session from another. It is the first 128 bits of a
// SHA-256 over the length-prefixed members, which takes a quarter of the memory
// of the members themselves.
type identity [2]uint64

func identityOf(c *revocation.Credential) identity {
	b := make([]byte, 0, 256)
	for _, member := range [...]string{c.Issuer, c.Subject, c.Client, c.Session, c.Device} {
		b = binary.AppendUvarint(b, uint64(len(member)))
		b = append(b, member...)
	}
	sum := sha256.Sum256(b)
	return identity{binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:])}
}
