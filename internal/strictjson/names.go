package strictjson

// names is the set of the member names of one object. A few are compared one by
// one, which allocates nothing; further ones go into a map, so that time stays
// linear.
type names struct {
	few  [16]string
	n    int // of all
	many map[string]struct{}
}

// add reports whether the name is new.
func (s *names) add(name string) bool {
	for _, seen := range s.few[:min(s.n, len(s.few))] {
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
	if _, twice := s.many[name]; twice {
		return false
	}
	s.many[name] = struct{}{}
	s.n++
	return true
}
