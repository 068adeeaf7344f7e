package strictjson

import "bytes"

// names remembers the members of one object. Few are compared one by one, which
// allocates nothing; more go into a map, so that time stays linear.
type names struct {
	few  [8][]byte
	n    int // of all
	many map[string]struct{}
}

func (s *names) has(name []byte) bool {
	if s.many != nil {
		_, ok := s.many[string(name)]
		return ok
	}
	for _, known := range s.few[:s.n] {
		if bytes.Equal(known, name) {
			return true
		}
	}
	return false
}

func (s *names) add(name []byte) {
	switch {
	case s.many != nil:
		s.many[string(name)] = struct{}{}
	case s.n < len(s.few):
		s.few[s.n] = name
	default:
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, known := range s.few {
			s.many[string(known)] = struct{}{}
		}
		s.many[string(name)] = struct{}{}
	}
	s.n++
}
