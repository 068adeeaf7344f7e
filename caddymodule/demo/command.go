package demo

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/internal/authorization"
	"curfew.dev/curfew/internal/devidp"
)

const long = `
Runs a gateway, a small service behind it and an OpenID provider for
development on this machine, signs alice and bob in, and prints what to try with
curl and with a browser. Everything listens on loopback, keeps its data in a directory of its own
and ends with Ctrl-C; a Caddy that runs already is left alone.

With --upstream the gateway stands in front of a service of yours, which gets
the Curfew-* headers of alice and bob. Their tokens carry the scopes, the tenant
(claim tid) and the acr that --scope, --tenant and --acr name.

With --check it plays the story by itself over HTTP: sign-ins, in browsers too, a sign-out
everywhere, refusals, a new sign-in, a restart, a kill. It prints a timed line
for each step and exits 0 only if all of it held.`

const examples = `  $ caddy curfew demo
  $ caddy curfew demo --check
  $ caddy curfew demo --port 8080 --dir ./demo
  $ caddy curfew demo --upstream http://127.0.0.1:9000 --scope files:read,files:write --acr mfa`

// options are the flags.
type options struct {
	check   bool
	verbose bool
	port    int
	dir     string
	child   string // hidden: run the gateway of this directory, nothing else

	upstream string
	scope    []string
	acr      string
	tenant   string
}

// asks are what each device wants of the provider.
func (o options) asks() asks { return asks{scope: o.scope, acr: o.acr} }

// validate refuses what can't be meant, before anything is started.
func (o options) validate() error {
	if o.acr != devidp.ACRPassword && o.acr != devidp.ACRMultiFactor {
		return fmt.Errorf("--acr %q: the provider of the demo reaches %s with a password, and %s with a one-time code too",
			o.acr, devidp.ACRPassword, devidp.ACRMultiFactor)
	}
	for _, scope := range o.scope {
		if !authorization.ChallengeToken(scope) {
			return fmt.Errorf("--scope %q: a scope is visible ASCII without quotes and backslashes", scope)
		}
	}
	if o.upstream == "" {
		return nil
	}
	if o.check {
		return errors.New("--check plays with the demo's own service: leave --upstream out")
	}
	u, err := url.Parse(o.upstream)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(o.upstream, "{} \t") {
		return fmt.Errorf("--upstream %q: want http://host:port or https://host:port, without a path", o.upstream)
	}
	return nil
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
	flags.StringVar(&o.upstream, "upstream", "", "Put the gateway in front of this service, such as http://127.0.0.1:9000 (default: one of the demo's)")
	flags.StringSliceVar(&o.scope, "scope", []string{"files:read"}, "Scopes of the tokens; repeatable")
	flags.StringVar(&o.acr, "acr", devidp.ACRPassword, "How everybody signs in: "+devidp.ACRPassword+", or "+devidp.ACRMultiFactor+" with a one-time code")
	flags.StringVar(&o.tenant, "tenant", "contoso", "Tenant of alice and bob; empty for none")
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
	if err := o.validate(); err != nil {
		return err
	}
	o.upstream = strings.TrimSuffix(o.upstream, "/")
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
