package live

import "encoding/binary"

// frames follows the frames of a WebSocket (RFC 6455 section 5.2) as they are
// written. It finds the places where a close frame may be written: inside
// another frame it would be read as part of that frame's message.
type frames struct {
	header [10]byte // of the current frame, without its mask
	have   int
	left   uint64 // bytes of mask and payload still to come
	closed bool   // a close frame was written
}

// between reports whether a new frame may begin.
func (f *frames) between() bool { return f.have == 0 && f.left == 0 && !f.closed }

// advance records bytes that were written.
func (f *frames) advance(p []byte) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, uint64(len(p)))
			f.left -= n
			p = p[n:]
			continue
		}
		f.header[f.have] = p[0]
		f.have++
		p = p[1:]
		if f.have >= 2 && f.have == headerSize(f.header[1]) {
			f.begin()
		}
	}
}

func headerSize(length byte) int {
	switch length & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// begin decodes a complete header.
func (f *frames) begin() {
	switch length := f.header[1] & 0x7f; length {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(f.header[2:])
	default:
		f.left = uint64(length)
	}
	if f.header[1]&0x80 != 0 {
		f.left += 4 // mask
	}
	if f.header[0]&0x0f == 8 {
		f.closed = true
	}
	f.have = 0
}

const (
	closeReason     = "session ended"
	policyViolation = 1008 // RFC 6455 section 7.4.1
)

// closeFrame returns a close frame with a status code. Zero means 1008. The
// frame does not name the reason for the refusal, because a stranger may hold
// the connection.
func closeFrame(code uint16) []byte {
	if code == 0 {
		code = policyViolation
	}
	return append([]byte{0x88, byte(2 + len(closeReason)), byte(code >> 8), byte(code)}, closeReason...)
}
