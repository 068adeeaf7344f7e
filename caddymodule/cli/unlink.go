package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/revocation"
)

func unlink() *cobra.Command {
	var (
		g      gateway
		whom   targetFlags
		repeat repeatable
		reason string
	)
	cmd := &cobra.Command{
		Use:   "unlink",
		Short: "Unlinks a device from an account and signs it out",
		Long: `Signs the account out on one device and frees the device's slot. The device can
be linked, and signed in on, again.`,
		Example: `  $ caddy curfew unlink --sub alice --device pc-7 --reason 'sold it'
  $ caddy curfew unlink --target-file - <device.json`,
		Args: cobra.NoArgs,
	}
	bindAll(cmd, &g, &repeat)
	whom.bind(cmd, "iss", "sub", "device")
	cmd.Flags().StringVar(&reason, "reason", "", "Why; kept in the audit and shown in the receipt")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		target, err := whom.target(cmd, &g)
		if err != nil {
			return err
		}
		if kind, _ := target.Kind(); kind != revocation.KindSubjectDevice {
			return errors.New("an unlink names one user and one device: --sub and --device")
		}
		request := adminclient.Unlink{Issuer: target.Issuer, Subject: target.Subject, Device: target.Device, Reason: reason}
		return showReceipt(cmd)(g.Unlink(cmd.Context(), request, repeat.key))
	})
	return cmd
}
