package demo_test

import (
	"os"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/spf13/cobra"

	_ "curfew.dev/curfew"
	"curfew.dev/curfew/caddymodule/demo"
)

// There is one Caddy in a process, and it is to be killed: the tests run the
// command in processes of this binary, as the demo itself does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "curfew" {
		os.Exit(caddy())
	}
	os.Exit(m.Run())
}

// caddy is a Caddy that has this command alone.
func caddy() int {
	root, group := &cobra.Command{Use: "caddy", SilenceUsage: true}, &cobra.Command{Use: "curfew"}
	root.AddCommand(group)
	group.AddCommand(demo.Command())
	if err := root.Execute(); err != nil {
		return 1
	}
	return 0
}
