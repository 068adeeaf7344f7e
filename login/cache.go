package login

// Cache remembers opened sessions, by host and whole cookie, within a bound in
// bytes. A nil Cache remembers nothing.
type Cache struct{}

// NewCache returns an empty cache of at most bytes.
func NewCache(bytes int64) (*Cache, error) { return new(Cache), nil }
