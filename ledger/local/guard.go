package local

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errBroken: bbolt gave up in the middle of something. Its locks may still be
// held, so the handle must not be used again, not even to close it.
var errBroken = errors.New("the file can't be understood")

// guard runs fn and turns the panics and faults by which bbolt meets damaged
// pages into errBroken.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errBroken, p)
		}
	}()
	return fn()
}
