package demo

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const long = `
Runs a gateway, a small service behind it and an OpenID provider for
development on this machine, signs alice and bob in, and prints what to try with
curl. Everything listens on loopback, keeps its data in a directory of its own
and ends with Ctrl-C; a Caddy that runs already is left alone.

With --check it plays the story by itself over HTTP: sign-ins, a sign-out
everywhere, refusals, a new sign-in, a restart, a kill. It prints a timed line
for each step and exits 0 only if all of it held.`

const examples = `  $ caddy curfew demo
  $ caddy curfew demo --check
  $ caddy curfew demo --port 8080 --dir ./demo`

// options are the flags.
type options struct {
	check   bool
	verbose bool
	port    int
	dir     string
	child   string // hidden: run the gateway of this directory, nothing else
}

// Command is `caddy curfew demo`, to be put below `caddy curfew`.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Shows a sign-out everywhere on this machine",
		Long:    long,
		Example: examples,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.check, "check", false, "Play the story and check every answer")
	flags.BoolVar(&o.verbose, "verbose", false, "Show the log of Caddy, not its errors only")
	flags.IntVar(&o.port, "port", 0, "Listen on this port and those after it (default: free ports)")
	flags.StringVar(&o.dir, "dir", "", "Keep the data in this directory (default: a temporary one)")
	flags.StringVar(&o.child, childFlag, "", "")
	if err := flags.MarkHidden(childFlag); err != nil {
		panic(err) // the flag is two lines above
	}
	return cmd
}

func (o options) run(cmd *cobra.Command) (err error) {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.child != "" {
		return serveChild(ctx, o.child, cmd.InOrStdin())
	}
	d, err := openDirectory(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	s, err := open(ctx, d, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if o.check {
		// The words that lead here: `caddy` may be any binary with us in it.
		s.self = strings.Fields(cmd.CommandPath())[1:]
		return play(ctx, cmd.OutOrStdout(), newStory(s).steps())
	}
	return present(ctx, cmd.OutOrStdout(), s)
}
