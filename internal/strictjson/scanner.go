package strictjson

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits bound a document.
type Limits struct {
	Depth   int // how deep objects and arrays may be nested; at most MaxDepth
	Members int // how many members one object may have
}

// scanner walks over a text once. It never goes back.
type scanner struct {
	text    string
	at      int
	limits  Limits
	located bool // faults say where they are
}

// document walks over the whole text, which is one value. If into is not nil,
// the value has to be an object, and its members are collected.
func (s *scanner) document(shape *Shape, into *Object) *Fault {
	if !utf8.ValidString(s.text) {
		return &Fault{Reason: ErrUTF8, Detail: "the document is not valid UTF-8"}
	}
	s.space()
	if into != nil && s.peek() != '{' {
		return &Fault{Reason: ErrObject, Detail: "the document is not an object"}
	}
	fault := s.value(shape, 0, into)
	if s.space(); fault == nil && s.at < len(s.text) {
		fault = &Fault{Reason: ErrSyntax, Detail: "something follows the document"}
	}
	return fault
}

// peek is the next byte, or 0 at the end; a literal 0 is no valid byte of a
// document's structure either.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
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
	if s.at >= len(s.text) {
		return &Fault{Reason: ErrSyntax, Detail: "the document ends too early"}
	}
	return &Fault{Reason: ErrSyntax, Detail: "is malformed at byte " + strconv.Itoa(s.at)}
}

// within adds the place to a fault, where places are wanted.
func (s *scanner) within(fault *Fault, name string) *Fault {
	if !s.located {
		return fault
	}
	return fault.within(name)
}

// value walks over one value. Members are collected of an object only.
func (s *scanner) value(shape *Shape, depth int, into *Object) *Fault {
	switch c := s.peek(); c {
	case '{', '[':
		if depth == s.limits.Depth {
			return &Fault{Reason: ErrDepth, Detail: "is nested deeper than " + strconv.Itoa(s.limits.Depth)}
		}
		if c == '{' {
			return s.object(shape, depth+1, into)
		}
		return s.array(shape.items(), depth+1, nil)
	case '"':
		_, fault := s.quoted()
		return fault
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(word string) *Fault {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return s.malformed()
	}
	s.at += len(word)
	return nil
}

// array walks over an array, and collects its elements if into is not nil.
func (s *scanner) array(items *Shape, depth int, into *[]Value) *Fault {
	s.at++ // [
	if s.space(); s.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		s.space()
		start := s.at
		if fault := s.value(items, depth, nil); fault != nil {
			return s.within(fault, strconv.Itoa(i))
		}
		if into != nil {
			*into = append(*into, Value(s.text[start:s.at]))
		}
		if more, fault := s.more(']'); !more {
			return fault
		}
	}
}

func (s *scanner) object(shape *Shape, depth int, into *Object) *Fault {
	s.at++ // {
	if s.space(); s.take('}') {
		return nil
	}
	var seen names
	for {
		s.space()
		name, fault := s.name()
		if fault != nil {
			return fault
		}
		start, fault := s.member(shape, name, &seen, depth)
		if fault != nil {
			return s.within(fault, name)
		}
		if into != nil {
			*into = append(*into, Member{name, Value(s.text[start:s.at])})
		}
		if more, fault := s.more('}'); !more {
			return fault
		}
	}
}

// member checks a name and walks over its value, which begins at start.
func (s *scanner) member(shape *Shape, name string, seen *names, depth int) (start int, fault *Fault) {
	if !seen.add(name) {
		return 0, &Fault{Reason: ErrDuplicate, Detail: "appears twice"}
	}
	if seen.n > s.limits.Members {
		return 0, &Fault{Reason: ErrMembers, Detail: "is one member too many: an object may have " + strconv.Itoa(s.limits.Members)}
	}
	inner, objection := shape.member(name)
	if objection != "" {
		return 0, &Fault{Reason: ErrShape, Detail: objection}
	}
	if s.space(); !s.take(':') {
		return 0, s.malformed()
	}
	s.space()
	if shape.refusesNull() && s.peek() == 'n' {
		return 0, &Fault{Reason: ErrShape, Detail: "is null; leave out what has no value"}
	}
	start = s.at
	return start, s.value(inner, depth, nil)
}

// more moves past a comma, or past the end of a container.
func (s *scanner) more(end byte) (bool, *Fault) {
	s.space()
	switch {
	case s.take(','):
		return true, nil
	case s.take(end):
		return false, nil
	}
	return false, s.malformed()
}

// name is the string that is next.
func (s *scanner) name() (string, *Fault) {
	if s.peek() != '"' {
		return "", s.malformed()
	}
	start := s.at
	escaped, fault := s.quoted()
	switch {
	case fault != nil:
		return "", fault
	case escaped:
		return unquote(s.text[start:s.at]), nil
	}
	return s.text[start+1 : s.at-1], nil
}

// quoted moves past a string and tells whether it has escapes. Most of a document
// is in strings, so the loop keeps its place in a local variable.
func (s *scanner) quoted() (escaped bool, fault *Fault) {
	for i := s.at + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return escaped, nil
		case c < ' ':
			s.at = i
			return false, s.malformed()
		case c == '\\':
			escaped, s.at = true, i
			if fault := s.escape(); fault != nil {
				return false, fault
			}
			i = s.at - 1
		}
	}
	s.at = len(s.text)
	return false, s.malformed()
}

func (s *scanner) escape() *Fault {
	s.at++ // \
	c := s.peek()
	if c == 'u' {
		return s.unicodeEscape()
	}
	if c == 0 || strings.IndexByte(`"\/bfnrt`, c) < 0 {
		return s.malformed()
	}
	s.at++
	return nil
}

// unicodeEscape refuses half a surrogate pair. A decoder would replace it: two
// different identifiers would become one.
func (s *scanner) unicodeEscape() *Fault {
	r, ok := s.codeUnit()
	switch {
	case !ok:
		return s.malformed()
	case !utf16.IsSurrogate(r):
		return nil
	}
	if s.take('\\') && s.peek() == 'u' {
		if low, ok := s.codeUnit(); ok && utf16.DecodeRune(r, low) != unicode.ReplacementChar {
			return nil
		}
	}
	return &Fault{Reason: ErrSurrogate, Detail: "holds half a surrogate pair"}
}

// codeUnit moves past u and four hexadecimal digits.
func (s *scanner) codeUnit() (rune, bool) {
	if len(s.text)-s.at < 5 {
		s.at = len(s.text)
		return 0, false
	}
	r, ok := hex4(s.text[s.at:])
	if ok {
		s.at += 5
	}
	return r, ok
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
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}
