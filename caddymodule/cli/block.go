package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/revocation"
)

const (
	apiBlocks  = api + "/blocks"
	apiStepUps = api + "/step-ups"
)

type blockRequest struct {
	Target revocation.Target `json:"target"`
	note
	consent
}

func block() *cobra.Command {
	var (
		g      gateway
		whom   targetFlags
		why    note
		care   caution
		repeat repeatable
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
	bindAll(cmd, &g, &why, &care, &repeat)
	whom.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		target, err := whom.target(cmd, &g)
		if err != nil {
			return err
		}
		agreed, err := care.ask(cmd, &g, previewRequest{Target: target})
		if err != nil {
			return err
		}
		body, err := g.write(cmd.Context(), "POST", apiBlocks, blockRequest{target, why, agreed}, repeat.key)
		return showReceipt(cmd, body, err)
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
		path, err := liftPath(args[0])
		if err != nil {
			return err
		}
		body, err := g.write(cmd.Context(), "DELETE", path, nil, repeat.key)
		return showReceipt(cmd, body, err)
	})
	return cmd
}

// liftPath is the resource that an id names, by its prefix.
func liftPath(id string) (string, error) {
	switch {
	case strings.HasPrefix(id, "blk_"):
		return apiBlocks + "/" + url.PathEscape(id), nil
	case strings.HasPrefix(id, "stp_"):
		return apiStepUps + "/" + url.PathEscape(id), nil
	case strings.HasPrefix(id, "rev_"):
		return "", fmt.Errorf("%s is a sign-out, which can't be lifted: signing in again ends it", printable(id))
	}
	return "", fmt.Errorf("%s is not the id of a block (blk_…) or a step-up (stp_…)", printable(id))
}
