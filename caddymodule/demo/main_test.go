package demo_test

import (
	"os"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew"
)

// There is one Caddy in a process, and it is to be killed: the tests run the
// command in processes of this binary, as the demo itself does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "curfew" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}
