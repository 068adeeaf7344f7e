package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// place is where a Caddyfile says what can be checked only when it is loaded,
// such as a directory or a secret: by then the lines are gone. Empty elsewhere.
type place string

func placeOf(d *caddyfile.Dispenser) place {
	return place(fmt.Sprintf("%s:%d", d.File(), d.Line()))
}

// name adds the place to an error, in Caddy's own words.
func (p place) name(err error) error {
	if err == nil || p == "" {
		return err
	}
	return fmt.Errorf("%w, at %s", err, p)
}
