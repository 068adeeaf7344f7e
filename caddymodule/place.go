package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// place is a file and line of the Caddyfile. A module keeps the place of its
// block in JSON, because some mistakes show only when the module is loaded,
// such as a missing file. The lines are gone by then. JSON that was written by
// hand has no place.
type place string

// placeOf returns the place of the current token of d, and the chain of
// imports.
func placeOf(d *caddyfile.Dispenser) place {
	_, at, _ := strings.Cut(d.WrapErr(errors.New("")).Error(), ", at ")
	return place(at)
}

// name adds the place to an error, in the form that Caddy uses.
func (p place) name(err error) error {
	if err == nil || p == "" {
		return err
	}
	return fmt.Errorf("%w, at %s", err, p)
}

// mistake is an error in one option of a block, or in one value of the option.
type mistake struct {
	option, value string
	error
}

func (m *mistake) Unwrap() error { return m.error }

// in marks the option of the block that an error is about. If the option has
// several values, it marks the value as well.
func in(option, value string, err error) error {
	if err == nil {
		return nil
	}
	return &mistake{option, value, err}
}

// lines holds the places of the options of a block, by option and by "option
// value".
type lines map[string]place

// blame adds the place of the option at fault to an error, or the place of the
// block.
func (l lines) blame(block place, err error) error {
	if m, ok := errors.AsType[*mistake](err); ok {
		block = cmp.Or(l[m.option+" "+m.value], l[m.option], block)
	}
	return block.name(err)
}
