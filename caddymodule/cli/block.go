package cli

import (
	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

func block() *cobra.Command {
	var (
		g       gateway
		whom    targetFlags
		request adminclient.Block
		care    caution
		repeat  repeatable
	)
	cmd := &cobra.Command{
		Use:   "block",
		Short: "Refuses a user, session, device or app until it is lifted",
		Long: `Refuses the target, new sign-ins included, until the block is lifted by the id
that is printed. See sign-out for the flags that combine to a target.`,
		Example: `  $ caddy curfew block --sub mallory --reason 'account taken over'
  $ caddy curfew lift blk_7.1043.0`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &g, (*motive)(&request.Motive), &care, &repeat)
	whom.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) (err error) {
		if request.Target, err = whom.target(cmd, &g); err != nil {
			return err
		}
		if request.Confirmation, err = care.ask(cmd, &g, adminclient.Revocation{Target: request.Target}); err != nil {
			return err
		}
		return showReceipt(cmd)(g.Block(cmd.Context(), request, repeat.key))
	})
	return cmd
}

func lift() *cobra.Command {
	var (
		g      gateway
		repeat repeatable
	)
	cmd := &cobra.Command{
		Use:   "lift <id>",
		Short: "Lifts a block or step-up by its id",
		Long: `Ends a block (blk_…) or a step-up (stp_…) for good. What another source blocked
stays blocked. A sign-out can't be lifted: signing in again is what ends it.`,
		Example: `  $ caddy curfew lift blk_7.1043.0
  $ caddy curfew lift stp_7.1044.0`,
		Args: cobra.ExactArgs(1),
	}
	bindAll(cmd, &g, &repeat)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		return showReceipt(cmd)(g.Lift(cmd.Context(), args[0], repeat.key))
	})
	return cmd
}
