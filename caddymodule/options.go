package caddymodule

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// options are the words of a block, each with what reads its arguments.
type options map[string]func(*caddyfile.Dispenser) error

// read reads a block of options. Each may stand once, those in several often.
func (o options) read(d *caddyfile.Dispenser, several ...string) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, known := o[name]
		switch {
		case !known:
			return d.Errf("unknown option %q", name)
		case seen[name] && !slices.Contains(several, name):
			return d.Errf("option %q is given twice", name)
		}
		seen[name] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// located adds the place in the file to an error.
func located(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}

// word reads exactly one argument.
func word(into *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if !d.NextArg() || d.Val() == "" {
			return d.ArgErr()
		}
		*into = d.Val()
		if d.NextArg() {
			return d.ArgErr()
		}
		return nil
	}
}

// words reads one argument or more.
func words(into *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		for _, arg := range args {
			if arg == "" {
				return d.Err("an argument is empty: remove it, or set the variable it comes from")
			}
		}
		*into = append(*into, args...)
		return nil
	}
}

// flag reads no argument.
func flag(into *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		*into = true
		if d.NextArg() {
			return d.ArgErr()
		}
		return nil
	}
}

// parsed reads one argument with a function that may fail.
func parsed[T any](into *T, parse func(string) (T, error)) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var arg string
		if err := word(&arg)(d); err != nil {
			return err
		}
		v, err := parse(arg)
		if err != nil {
			return d.WrapErr(err)
		}
		*into = v
		return nil
	}
}

func number(into *int) func(*caddyfile.Dispenser) error { return parsed(into, strconv.Atoi) }

func duration(into *caddy.Duration) func(*caddyfile.Dispenser) error {
	return parsed(into, func(s string) (caddy.Duration, error) {
		d, err := caddy.ParseDuration(s)
		return caddy.Duration(d), err
	})
}

func size(into *int64) func(*caddyfile.Dispenser) error {
	return parsed(into, func(s string) (int64, error) {
		n, err := humanize.ParseBytes(s)
		if err == nil && n > 1<<40 {
			err = fmt.Errorf("%s is too large", s)
		}
		return int64(n), err
	})
}
