package caddymodule

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"curfew.dev/curfew/caddymodule/cli"
	"curfew.dev/curfew/caddymodule/demo"
)

func init() { caddycmd.RegisterCommand(cli.Command(demo.Command())) }
