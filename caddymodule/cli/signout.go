package cli

import (
	"time"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

func signOut() *cobra.Command {
	var (
		g       gateway
		whom    targetFlags
		request adminclient.Revocation
		care    caution
		repeat  repeatable
		wait    time.Duration
	)
	cmd := &cobra.Command{
		Use:   "sign-out",
		Short: "Signs out a user, session, device, app or organisation",
		Long: `Refuses what was signed in, or issued, before now (--at), and ends the open
connections of it. Prints the receipt: which nodes enforce it and from when on
no node admits it.

The flags combine to a target: --sub; --sub --client; --sub --device; --sid;
--jti; --jkt; --x5t; and, for many accounts at once, --device, --tenant,
--client, --kid or --iss alone. Those show a preview and ask first. Identifiers
that must not be seen in the arguments go into --target-file.`,
		Example: `  $ caddy curfew sign-out --sub alice --reason 'lost phone'
  $ caddy curfew sign-out --iss https://login.example.com --sub alice --device pc-7
  $ echo '{"sub":"alice"}' | caddy curfew sign-out --target-file -
  $ caddy curfew sign-out --tenant acme --max-affected 500 --yes`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &g, (*cut)(&request), (*motive)(&request.Motive), &care, &repeat)
	whom.bind(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 2*time.Second, "How long the gateway waits for the other nodes, up to 8s")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) (err error) {
		if request.Target, err = whom.target(cmd, &g); err != nil {
			return err
		}
		asked := request
		asked.Motive = adminclient.Motive{} // for the audit of the sign-out only
		if request.Confirmation, err = care.ask(cmd, &g, asked); err != nil {
			return err
		}
		if cmd.Flags().Changed("wait") {
			request.Wait = wait.String()
		}
		return showReceipt(cmd)(g.Revoke(cmd.Context(), request, repeat.key))
	})
	return cmd
}
