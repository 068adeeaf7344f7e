package cli

import (
	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

func stepUp() *cobra.Command {
	var (
		g       gateway
		whom    targetFlags
		request adminclient.StepUp
		care    caution
		repeat  repeatable
	)
	cmd := &cobra.Command{
		Use:   "step-up",
		Short: "Demands a stronger or newer sign-in of a target",
		Long: `Demands of the target an authentication that is newer than now and, with --acr
or --amr, one of that strength. It lasts until it is lifted by the id that is
printed. See sign-out for the flags that combine to a target.`,
		Example: `  $ caddy curfew step-up --sub alice --acr mfa --routes sensitive
  $ caddy curfew step-up --sub alice --amr hwk,fpt --reason 'sign-in from two countries'`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &g, (*motive)(&request.Motive), &care, &repeat)
	whom.bind(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&request.ACR, "acr", nil, "Authentication context that satisfies it; any of several")
	f.StringSliceVar(&request.AMR, "amr", nil, "Authentication method that satisfies it; any of several")
	f.StringVar(&request.Routes, "routes", "", "all or sensitive; default all")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) (err error) {
		if request.Target, err = whom.target(cmd, &g); err != nil {
			return err
		}
		if request.Confirmation, err = care.ask(cmd, &g, adminclient.Revocation{Target: request.Target}); err != nil {
			return err
		}
		return showReceipt(cmd)(g.StepUp(cmd.Context(), request, repeat.key))
	})
	return cmd
}
