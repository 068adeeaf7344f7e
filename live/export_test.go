package live

// PoliteFor is exported to the tests.
const PoliteFor = politeFor

// Frames is exported to the tests.
type Frames struct{ frames }

// Advance and Between are exported to the tests.
func (f *Frames) Advance(p []byte) { f.advance(p) }
func (f *Frames) Between() bool    { return f.between() }
