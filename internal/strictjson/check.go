package strictjson

// Limits of a document that [Check] accepts.
const (
	// MaxDepth is how deep objects and arrays may be nested.
	MaxDepth = 32
	// MaxMembers is how many members one object may have.
	MaxMembers = 1000
)

// Check returns nil if document is one well-formed JSON value in valid UTF-8,
// within the limits, without duplicate members at any depth and of the given
// shape; otherwise a [*Fault].
func Check(document string, shape *Shape) error {
	s := scanner{text: document, limits: Limits{MaxDepth, MaxMembers}, located: true}
	if fault := s.document(shape, nil); fault != nil {
		return fault
	}
	return nil
}
