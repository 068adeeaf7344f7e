package strictjson

import (
	"errors"
	"strings"
)

// The reasons of a [Fault].
var (
	ErrSyntax    = errors.New("not JSON")
	ErrUTF8      = errors.New("not UTF-8")
	ErrObject    = errors.New("not a JSON object")
	ErrDepth     = errors.New("JSON is nested too deep")
	ErrMembers   = errors.New("JSON has too many members")
	ErrDuplicate = errors.New("JSON has a duplicate member")
	ErrSurrogate = errors.New("JSON string has a lone surrogate")
	ErrShape     = errors.New("JSON has another shape")
)

// maxShown is how much of a member's name a fault repeats, in bytes.
const maxShown = 64

// Fault is the first thing that is wrong with a document.
type Fault struct {
	// Reason is one of the errors of this package. It names nothing of the
	// document.
	Reason error
	// Pointer is the JSON pointer (RFC 6901) of the value; empty for the whole
	// document. Names that the document made up are cut to 64 bytes.
	Pointer string
	// Detail says what is wrong, without repeating any value.
	Detail string
}

// Error is the pointer and the detail.
func (f *Fault) Error() string {
	if f.Pointer == "" {
		return f.Detail
	}
	return f.Pointer + " " + f.Detail
}

func (f *Fault) Unwrap() error { return f.Reason }

// within puts the fault below a member or an item.
func (f *Fault) within(name string) *Fault {
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	f.Pointer = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name) + f.Pointer
	return f
}
