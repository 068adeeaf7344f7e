package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

func preview() *cobra.Command {
	var (
		g       gateway
		whom    targetFlags
		request adminclient.Revocation
	)
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Shows what a sign-out would hit, and changes nothing",
		Long: `Shows the accounts, sessions, devices and open connections that a sign-out of
the same target would hit, as far as this gateway has seen them, and the clients
it would pass by.`,
		Example: `  $ caddy curfew preview --tenant acme
  $ caddy curfew preview --sub alice --include-exempt`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &g, (*cut)(&request))
	whom.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) (err error) {
		if request.Target, err = whom.target(cmd, &g); err != nil {
			return err
		}
		answer, err := g.Preview(cmd.Context(), request)
		_, err = show(consoleOf(cmd), answer, err, writePreview)
		return err
	})
	return cmd
}

func writePreview(w io.Writer, p adminclient.Preview) error {
	fmt.Fprintln(w, "would hit")
	atLeast := ""
	if p.Incomplete {
		atLeast = "at least "
	}
	s := newSheet(w)
	s.line("target", targetText(p.Target))
	s.line("mode", p.Mode)
	s.line("from before", timeText(p.At))
	s.line("accounts", atLeast+strconv.Itoa(p.Accounts))
	s.line("sessions", atLeast+strconv.Itoa(p.Sessions))
	s.line("devices", atLeast+strconv.Itoa(p.Devices))
	s.line("live requests", strconv.Itoa(p.LiveRequests))
	s.line("exempt", exemptText(p.ExemptClients))
	for _, l := range p.Limits {
		s.line("limit", limitText(l))
	}
	return s.flush()
}
