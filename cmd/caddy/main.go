// Command caddy is Caddy with its standard modules and Curfew's, and with
// WebSockets over HTTP/2. It holds no logic: what it can do is what its imports
// register.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew"
	_ "curfew.dev/curfew/internal/extendedconnect"
)

func main() { caddycmd.Main() }
