package token

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// The standard library's JSON decoder takes the last of duplicate members,
// matches names without regard to case and mends lone surrogates: three ways
// to be read differently by two parsers. This one refuses what is ambiguous,
// and returns substrings of its input instead of copies.

const (
	maxJSONDepth   = 16
	maxJSONMembers = 4096
)

var (
	errJSONSyntax    = errors.New("not JSON")
	errJSONUTF8      = errors.New("not UTF-8")
	errJSONObject    = errors.New("not a JSON object")
	errJSONDepth     = errors.New("JSON is nested too deep")
	errJSONMembers   = errors.New("JSON has too many members")
	errJSONDuplicate = errors.New("JSON has a duplicate member")
	errJSONSurrogate = errors.New("JSON string has a lone surrogate")
)

// member is one name and value of an object.
type member struct {
	name  string
	value value
}

// find is the value of the member of that name. Where there is none it is empty,
// which is no JSON value of any type.
func find(members []member, name string) value {
	for _, m := range members {
		if m.name == name {
			return m.value
		}
	}
	return ""
}

// parseObject reads one JSON object and checks everything in it.
func parseObject(s string) ([]member, error) {
	if !utf8.ValidString(s) {
		return nil, errJSONUTF8
	}
	p := parser{s: s}
	p.space()
	if p.peek() != '{' {
		return nil, errJSONObject
	}
	members := make([]member, 0, 24)
	if err := p.object(0, &members); err != nil {
		return nil, err
	}
	p.space()
	if p.i != len(p.s) {
		return nil, errJSONSyntax
	}
	return members, nil
}

type parser struct {
	s       string
	i       int
	members int
}

// peek is the next byte, or 0 at the end: no JSON text contains a 0.
func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *parser) literal(s string) error {
	if !strings.HasPrefix(p.s[p.i:], s) {
		return errJSONSyntax
	}
	p.i += len(s)
	return nil
}

func (p *parser) value(depth int) error {
	if depth > maxJSONDepth {
		return errJSONDepth
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth, nil)
	case c == '[':
		return p.array(depth, nil)
	case c == '"':
		return p.str()
	case c == 't':
		return p.literal("true")
	case c == 'f':
		return p.literal("false")
	case c == 'n':
		return p.literal("null")
	}
	return p.number()
}

// object reads an object, and collects its members if into is not nil.
func (p *parser) object(depth int, into *[]member) error {
	var seen names
	p.i++ // {
	p.space()
	if p.peek() == '}' {
		p.i++
		return nil
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return errJSONDuplicate
		}
		if p.members++; p.members > maxJSONMembers {
			return errJSONMembers
		}
		start := p.i
		if err := p.value(depth + 1); err != nil {
			return err
		}
		if into != nil {
			*into = append(*into, member{name, value(p.s[start:p.i])})
		}
		if more, err := p.more('}'); !more {
			return err
		}
	}
}

func (p *parser) name() (string, error) {
	if p.peek() != '"' {
		return "", errJSONSyntax
	}
	start := p.i
	if err := p.str(); err != nil {
		return "", err
	}
	name := unquote(p.s[start:p.i])
	p.space()
	if p.peek() != ':' {
		return "", errJSONSyntax
	}
	p.i++
	p.space()
	return name, nil
}

// array reads an array, and collects its elements if into is not nil.
func (p *parser) array(depth int, into *[]value) error {
	p.i++ // [
	p.space()
	if p.peek() == ']' {
		p.i++
		return nil
	}
	for {
		start := p.i
		if err := p.value(depth + 1); err != nil {
			return err
		}
		if into != nil {
			*into = append(*into, value(p.s[start:p.i]))
		}
		if more, err := p.more(']'); !more {
			return err
		}
	}
}

// more reads what follows an element: a comma, or the end of its container.
func (p *parser) more(end byte) (bool, error) {
	p.space()
	switch p.peek() {
	case ',':
		p.i++
		p.space()
		return true, nil
	case end:
		p.i++
		return false, nil
	}
	return false, errJSONSyntax
}

func (p *parser) str() error {
	p.i++ // "
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return nil
		case c < ' ':
			return errJSONSyntax
		case c == '\\':
			if err := p.escape(); err != nil {
				return err
			}
		default:
			p.i++
		}
	}
	return errJSONSyntax
}

func (p *parser) escape() error {
	p.i++ // \
	c := p.peek()
	if c == 'u' {
		return p.unicodeEscape()
	}
	if c == 0 || strings.IndexByte(`"\/bfnrt`, c) < 0 {
		return errJSONSyntax
	}
	p.i++
	return nil
}

func (p *parser) unicodeEscape() error {
	r, ok := hex4(p.s[p.i:])
	if !ok {
		return errJSONSyntax
	}
	p.i += 5
	if !utf16.IsSurrogate(r) {
		return nil
	}
	if p.peek() != '\\' {
		return errJSONSurrogate
	}
	low, ok := hex4(p.s[p.i+1:])
	if !ok || utf16.DecodeRune(r, low) == unicode.ReplacementChar {
		return errJSONSurrogate
	}
	p.i += 6
	return nil
}

// hex4 reads u and four hexadecimal digits.
func hex4(s string) (rune, bool) {
	if len(s) < 5 || s[0] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:5], 16, 16)
	return rune(n), err == nil
}

func (p *parser) number() error {
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
	} else if !p.digits() {
		return errJSONSyntax
	}
	if p.peek() == '.' {
		p.i++
		if !p.digits() {
			return errJSONSyntax
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		if !p.digits() {
			return errJSONSyntax
		}
	}
	return nil
}

func (p *parser) digits() bool {
	start := p.i
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.i++
	}
	return p.i > start
}

// names is a set of member names; small objects need no map.
type names struct {
	few  [16]string
	n    int
	many map[string]struct{}
}

// add reports whether the name is new.
func (s *names) add(name string) bool {
	for _, seen := range s.few[:s.n] {
		if seen == name {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{})
	}
	if _, dup := s.many[name]; dup {
		return false
	}
	s.many[name] = struct{}{}
	return true
}
