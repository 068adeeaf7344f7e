package adminclient

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// However a file is read, it has as many lines as the gateway answers.
func TestLineCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a \r\n]{0,40}`).Draw(t, "text")
		want := 0
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Trim(line, "\r") != "" {
				want++
			}
		}
		c := &lineCounter{Reader: iotest.HalfReader(strings.NewReader(text))}
		if got, err := io.ReadAll(c); err != nil || string(got) != text {
			t.Fatalf("read %q, %v", got, err)
		}
		if got := int(c.count.Load()); got != want {
			t.Fatalf("%d lines, want %d", got, want)
		}
	})
}
