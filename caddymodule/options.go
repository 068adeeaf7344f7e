package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// options are the options of a block, each with the function that reads its
// arguments.
type options map[string]func(*caddyfile.Dispenser) error

// read reads a block and then checks it as a whole. An error of the check names
// the line of the option at fault (see [in]). Each option may appear once. The
// options named in several may appear more often.
func (o options) read(d *caddyfile.Dispenser, check func() error, several ...string) error {
	block := placeOf(d)
	seen, err := o.readLines(d, several...)
	if err != nil {
		return err
	}
	return seen.blame(block, check())
}

// readLines reads a block that is checked later, and returns the places of its
// options.
func (o options) readLines(d *caddyfile.Dispenser, several ...string) (lines, error) {
	seen := make(lines)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, known := o[name]
		_, twice := seen[name]
		switch {
		case !known && len(o) == 0:
			return nil, d.Errf("no option can stand here, so remove it: unknown option %q", name)
		case !known:
			return nil, d.Errf("the options of this block are %s: unknown option %q", strings.Join(slices.Sorted(maps.Keys(o)), ", "), name)
		case twice && !slices.Contains(several, name):
			return nil, d.Errf("remove one of the two: option %q is given twice", name)
		}
		seen[name] = placeOf(d)
		ahead := *d
		for _, value := range ahead.RemainingArgs() {
			seen[name+" "+value] = seen[name]
		}
		if err := parse(d); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// unchecked is the check for a block whose options can't contradict each other.
func unchecked() error { return nil }

// word reads exactly one argument.
func word(into *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		args := d.RemainingArgs()
		switch {
		case len(args) != 1:
			return d.Errf("%s has %d values: write `%s <value>`, with one", option, len(args), option)
		case args[0] == "":
			return d.Errf("%s is empty: give it a value, or set the variable it comes from", option)
		}
		*into = args[0]
		return nil
	}
}

// words reads one or more arguments.
func words(into *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("%s has no value: write `%s <value>…`", option, option)
		}
		if slices.Contains(args, "") {
			return d.Errf("a value of %s is empty: remove it, or set the variable it comes from", option)
		}
		*into = append(*into, args...)
		return nil
	}
}

// flag reads no argument.
func flag(into *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		*into = true
		return alone(d)
	}
}

// alone refuses arguments.
func alone(d *caddyfile.Dispenser) error {
	option := d.Val()
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("%s takes no value: remove %q", option, strings.Join(args, " "))
	}
	return nil
}

// parsed reads one argument with a function that may fail.
func parsed[T any](into *T, want string, parse func(string) (T, error)) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		var arg string
		if err := word(&arg)(d); err != nil {
			return err
		}
		v, err := parse(arg)
		if err != nil {
			return d.Errf("%s %s: want %s", option, arg, want)
		}
		*into = v
		return nil
	}
}

func number(into *int) func(*caddyfile.Dispenser) error {
	return parsed(into, "a whole number", strconv.Atoi)
}

func duration(into *caddy.Duration) func(*caddyfile.Dispenser) error {
	return parsed(into, "a duration such as 10m", func(s string) (caddy.Duration, error) {
		d, err := caddy.ParseDuration(s)
		return caddy.Duration(d), err
	})
}

func size(into *int64) func(*caddyfile.Dispenser) error {
	return parsed(into, "a size such as 64MiB, 1TiB at most", func(s string) (int64, error) {
		n, err := humanize.ParseBytes(s)
		if err == nil && n > 1<<40 {
			err = fmt.Errorf("%s is too large", s)
		}
		return int64(n), err
	})
}
