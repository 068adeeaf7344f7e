package cli

import (
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

const long = `
Sign people out of every service behind this gateway, see where that is in
force, and look after the ledger that it is written in.

The commands speak to the admin endpoint of a running Caddy (--address, or the
environment variable CADDY_ADMIN), except init, adopt and doctor, which work on
the directory of a ledger, or of this node's replica of a cluster's.

Exit status: 0 enforced, 3 written but not in force everywhere yet, 4 refused
by the gateway, 1 anything else: it could not be reached, could not do it, or
was never asked.`

const examples = `  $ caddy curfew status
  $ caddy curfew sign-out --sub alice --reason 'lost phone'
  $ caddy curfew preview --tenant acme
  $ caddy curfew tail`

// Command is `caddy curfew` with its sub-commands, and extra ones from other
// rooms, for [caddycmd.RegisterCommand].
func Command(extra ...*cobra.Command) caddycmd.Command {
	return caddycmd.Command{
		Name:  "curfew",
		Usage: "<command>",
		Short: "Signs people out everywhere, and shows where it is in force",
		Long:  long,
		CobraFunc: func(group *cobra.Command) {
			group.Example = examples
			group.RunE = unknown
			group.SuggestionsMinimumDistance = 2
			group.PersistentFlags().Bool("json", false, "Print the JSON of the gateway as it is")
			group.AddCommand(
				status(), nodes(),
				signOut(), preview(), block(), lift(), unlink(), stepUp(),
				receipt(), sessions(), explain(), importing(), tail(),
				initialise(), adopt(), doctor(),
			)
			group.AddCommand(extra...)
		},
	}
}

// unknown answers a command that does not exist with an error. Left alone,
// cobra prints the help and exits 0, which a script takes for a sign-out.
func unknown(group *cobra.Command, args []string) error {
	if len(args) == 0 {
		return group.Help()
	}
	if near := group.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q: did you mean %q?", args[0], near[0])
	}
	return fmt.Errorf("unknown command %q: see `%s --help`", args[0], group.CommandPath())
}
