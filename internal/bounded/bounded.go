// Package bounded reads from strangers without letting them fill the memory.
package bounded

import (
	"fmt"
	"io"
)

// Read reads r to its end, or fails if there are more bytes than limit.
func Read(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is longer than %d bytes", limit)
	}
	return b, err
}
