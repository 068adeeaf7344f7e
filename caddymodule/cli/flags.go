package cli

import (
	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

// flags belong to one subject, for several commands.
type flags interface{ bind(*cobra.Command) }

func bindAll(cmd *cobra.Command, all ...flags) {
	for _, f := range all {
		f.bind(cmd)
	}
}

// cut holds the flags that say which credentials a sign-out refuses.
type cut adminclient.Revocation

func (c *cut) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.Mode, "mode", "", "sign_in (a new sign-in helps), refresh (a new token helps) or final; default by target")
	f.StringVar(&c.At, "at", "", "Refuse what is from before this time, such as 2026-11-20T10:00:00Z; default now")
	f.BoolVar(&c.IncludeExempt, "include-exempt", false, "Sign exempt clients out too")
}

// motive holds the flags for the audit.
type motive adminclient.Motive

func (m *motive) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.Reason, "reason", "", "Why; kept in the audit and shown in the receipt")
	cmd.Flags().StringVar(&m.OnBehalfOf, "on-behalf-of", "", "Who asked for it")
}

// repeatable holds the key that makes a write take effect once, however often it
// is sent.
type repeatable struct{ key string }

func (r *repeatable) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.key, "idempotency-key", "", "Key that makes a repeated command take effect once; default a new one")
}
