package local

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errBroken means that bbolt panicked or faulted. It may still hold its locks, so
// the handle must not be used again, not even to close it.
var errBroken = errors.New("the file can't be understood")

// guard runs fn and turns bbolt's panics and faults on damaged pages into
// errBroken.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errBroken, p)
		}
	}()
	return fn()
}
