package live

// PoliteFor is opened to the tests.
const PoliteFor = politeFor

// Frames is opened to the tests.
type Frames struct{ frames }

// Advance and Between are opened to the tests.
func (f *Frames) Advance(p []byte) { f.advance(p) }
func (f *Frames) Between() bool    { return f.between() }
