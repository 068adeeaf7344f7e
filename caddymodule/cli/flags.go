package cli

import "github.com/spf13/cobra"

// flags are what a command can be told.
type flags interface{ bind(*cobra.Command) }

func bindAll(cmd *cobra.Command, all ...flags) {
	for _, f := range all {
		f.bind(cmd)
	}
}

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
