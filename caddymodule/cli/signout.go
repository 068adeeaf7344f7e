package cli

import (
	"time"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/revocation"
)

// The paths of the API on Caddy's admin endpoint.
const (
	api            = "/curfew/v1"
	apiRevocations = api + "/revocations"
	apiPreview     = apiRevocations + "/preview"
)

// instant says what about older credentials is refused.
type instant struct {
	Mode          string `json:"mode,omitempty"`
	At            string `json:"at,omitempty"`
	IncludeExempt bool   `json:"include_exempt,omitempty"`
}

func (i *instant) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&i.Mode, "mode", "", "sign_in (a new sign-in helps), refresh (a new token helps) or final; default by target")
	f.StringVar(&i.At, "at", "", "Refuse what is from before this time, such as 2026-11-20T10:00:00Z; default now")
	f.BoolVar(&i.IncludeExempt, "include-exempt", false, "Sign exempt clients out too")
}

// note is who asks and why, for the audit.
type note struct {
	Reason     string `json:"reason,omitempty"`
	OnBehalfOf string `json:"on_behalf_of,omitempty"`
}

func (n *note) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.Reason, "reason", "", "Why; kept in the audit and shown in the receipt")
	cmd.Flags().StringVar(&n.OnBehalfOf, "on-behalf-of", "", "Who asked for it")
}

// repeatable makes a write one write however often it is sent.
type repeatable struct{ key string }

func (r *repeatable) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.key, "idempotency-key", "", "Key that makes a repeated command take effect once; default a new one")
}

type revocationRequest struct {
	Target revocation.Target `json:"target"`
	instant
	note
	consent
	Wait string `json:"wait,omitempty"`
}

func signOut() *cobra.Command {
	var (
		g      gateway
		whom   targetFlags
		from   instant
		why    note
		care   caution
		repeat repeatable
		wait   time.Duration
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
	bindAll(cmd, &g, &from, &why, &care, &repeat)
	whom.bind(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 0, "Let the gateway wait this long for the other nodes")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		target, err := whom.target(cmd, &g)
		if err != nil {
			return err
		}
		agreed, err := care.ask(cmd, &g, previewRequest{target, from})
		if err != nil {
			return err
		}
		request := revocationRequest{Target: target, instant: from, note: why, consent: agreed}
		if wait > 0 {
			request.Wait = wait.String()
		}
		body, err := g.write(cmd.Context(), "POST", apiRevocations, request, repeat.key)
		return showReceipt(cmd, body, err)
	})
	return cmd
}

// flags are what a command can be told.
type flags interface{ bind(*cobra.Command) }

func bindAll(cmd *cobra.Command, all ...flags) {
	for _, f := range all {
		f.bind(cmd)
	}
}
