package strictjson

// Object is the members of a JSON object, in the order of the document.
type Object []Member

// Member is one name and value of an object.
type Member struct {
	Name  string
	Value Value
}

// Value returns the value of the member of that name. It is empty, which is no JSON
// value of any type, if there is no such member.
func (o Object) Value(name string) Value {
	for _, m := range o {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// Parse reads a document that is one JSON object, and checks everything in it.
// The values are substrings of the document. The error is one of the reasons of
// a [Fault] and holds nothing of the document, so it may be logged even where
// the document is a secret.
func Parse(document string, limits Limits) (Object, error) {
	s := scanner{text: document, limits: limits}
	members := make(Object, 0, 24)
	if fault := s.document(nil, &members); fault != nil {
		return nil, fault.Reason
	}
	return members, nil
}
