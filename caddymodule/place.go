package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// place is a file and line of the Caddyfile. A module keeps the place of its
// block in JSON for the mistakes that show only when it is loaded, such as a
// missing file: by then the lines are gone. Empty in JSON written by hand.
type place string

// placeOf is the place of the token that d is at, and the chain of imports.
func placeOf(d *caddyfile.Dispenser) place {
	_, at, _ := strings.Cut(d.WrapErr(errors.New("")).Error(), ", at ")
	return place(at)
}

// name adds the place to an error, in Caddy's own words.
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

// in says which option of its block an error is about, and which of the
// option's values if it has several.
func in(option, value string, err error) error {
	if err == nil {
		return nil
	}
	return &mistake{option, value, err}
}

// lines are the places of the options of a block, by option and by
// "option value".
type lines map[string]place

// blame adds the place of the option that an error is about, or of the block.
func (l lines) blame(block place, err error) error {
	if m, ok := errors.AsType[*mistake](err); ok {
		block = cmp.Or(l[m.option+" "+m.value], l[m.option], block)
	}
	return block.name(err)
}
