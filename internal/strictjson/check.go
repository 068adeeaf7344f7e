package strictjson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a document.
const (
	// MaxDepth is how deep objects and arrays may be nested.
	MaxDepth = 32
	// MaxMembers is how many members one object may have.
	MaxMembers = 1000
)

// maxShown is how much of a member's name a fault repeats, in bytes.
const maxShown = 64

// Fault is the first thing that is wrong with a document.
type Fault struct {
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

// Check returns nil if data is one well-formed JSON value in valid UTF-8,
// within the limits, without duplicate members at any depth and of the given
// shape; otherwise a [*Fault].
func Check(data []byte, shape *Shape) error {
	if !utf8.Valid(data) {
		return &Fault{Detail: "the document is not valid UTF-8"}
	}
	s := scanner{data: data}
	s.space()
	fault := s.value(shape, 0)
	if s.space(); fault == nil && s.at < len(data) {
		fault = &Fault{Detail: "something follows the document"}
	}
	if fault != nil {
		return fault
	}
	return nil
}

type scanner struct {
	data []byte
	at   int
}

// peek is the next byte, or 0 at the end; a literal 0 is no valid byte of a
// document's structure either.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.at]) >= 0 {
		s.at++
	}
}

// take moves past c, if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) malformed() *Fault {
	if s.at >= len(s.data) {
		return &Fault{Detail: "the document ends too early"}
	}
	return &Fault{Detail: "is malformed at byte " + strconv.Itoa(s.at)}
}

func (s *scanner) value(shape *Shape, depth int) *Fault {
	switch c := s.peek(); {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return &Fault{Detail: "is nested deeper than " + strconv.Itoa(MaxDepth)}
		}
		if c == '{' {
			return s.object(shape, depth+1)
		}
		return s.array(shape.items(), depth+1)
	case c == '"':
		_, fault := s.text()
		return fault
	case c == '-' || isDigit(c):
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.at:], []byte(word)) {
			s.at += len(word)
			return nil
		}
	}
	return s.malformed()
}

func (s *scanner) array(items *Shape, depth int) *Fault {
	s.at++
	if s.space(); s.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		s.space()
		if fault := s.value(items, depth); fault != nil {
			return fault.within(strconv.Itoa(i))
		}
		s.space()
		switch {
		case s.take(']'):
			return nil
		case !s.take(','):
			return s.malformed()
		}
	}
}

func (s *scanner) object(shape *Shape, depth int) *Fault {
	s.at++
	if s.space(); s.take('}') {
		return nil
	}
	var seen names
	for {
		s.space()
		if s.peek() != '"' {
			return s.malformed()
		}
		name, fault := s.text()
		if fault != nil {
			return fault
		}
		if fault := s.member(shape, name, &seen, depth); fault != nil {
			return fault.within(string(name))
		}
		s.space()
		switch {
		case s.take('}'):
			return nil
		case !s.take(','):
			return s.malformed()
		}
	}
}

// member checks a name and what follows it.
func (s *scanner) member(shape *Shape, name []byte, seen *names, depth int) *Fault {
	if seen.has(name) {
		return &Fault{Detail: "appears twice"}
	}
	if seen.n == MaxMembers {
		return &Fault{Detail: "is one member too many: an object may have " + strconv.Itoa(MaxMembers)}
	}
	inner, objection := shape.member(name)
	if objection != "" {
		return &Fault{Detail: objection}
	}
	seen.add(name)
	if s.space(); !s.take(':') {
		return s.malformed()
	}
	s.space()
	if shape.refusesNull() && s.peek() == 'n' {
		return &Fault{Detail: "is null; leave out what has no value"}
	}
	return s.value(inner, depth)
}

// text moves past a string and returns what it says. Only one with escapes is
// copied.
func (s *scanner) text() ([]byte, *Fault) {
	start := s.at
	s.at++
	escaped := false
	for {
		switch c := s.peek(); {
		case s.at >= len(s.data) || c < ' ':
			return nil, s.malformed()
		case c == '"':
			s.at++
			quoted := s.data[start:s.at]
			if !escaped {
				return quoted[1 : len(quoted)-1], nil
			}
			var plain string
			if err := json.Unmarshal(quoted, &plain); err != nil {
				return nil, s.malformed()
			}
			return []byte(plain), nil
		case c == '\\':
			escaped = true
			if fault := s.escape(); fault != nil {
				return nil, fault
			}
		default:
			s.at++
		}
	}
}

func (s *scanner) escape() *Fault {
	s.at++
	if c := s.peek(); c != 'u' {
		if c == 0 || strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return s.malformed()
		}
		s.at++
		return nil
	}
	unit, ok := s.codeUnit()
	switch {
	case !ok:
		return s.malformed()
	case unit < 0xd800 || unit > 0xdfff:
		return nil
	}
	// Half a character would be decoded to a replacement: two different
	// identifiers would become one.
	if unit < 0xdc00 && s.take('\\') && s.peek() == 'u' {
		if low, ok := s.codeUnit(); ok && low >= 0xdc00 && low <= 0xdfff {
			return nil
		}
	}
	return &Fault{Detail: "holds half a surrogate pair"}
}

// codeUnit reads the u and four hexadecimal digits.
func (s *scanner) codeUnit() (uint64, bool) {
	if len(s.data)-s.at < 5 {
		s.at = len(s.data)
		return 0, false
	}
	unit, err := strconv.ParseUint(string(s.data[s.at+1:s.at+5]), 16, 16)
	if err != nil {
		return 0, false
	}
	s.at += 5
	return unit, true
}

func (s *scanner) number() *Fault {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.malformed()
	}
	if s.take('.') && !s.digits() {
		return s.malformed()
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.malformed()
		}
	}
	return nil
}

// digits moves past them and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	return s.at > start
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// within puts the fault below a member or an item.
func (f *Fault) within(name string) *Fault {
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	f.Pointer = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name) + f.Pointer
	return f
}
