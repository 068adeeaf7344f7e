package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

type previewRequest struct {
	Target revocation.Target `json:"target"`
	instant
}

// previewAnswer is what a sign-out would hit.
type previewAnswer struct {
	ID            string             `json:"preview_id"`
	ExpiresAt     *node.Time         `json:"expires_at"`
	Target        *revocation.Target `json:"target"`
	Mode          string             `json:"mode"`
	At            *node.Time         `json:"at"`
	Accounts      int                `json:"accounts"`
	Sessions      int                `json:"sessions"`
	Devices       int                `json:"devices"`
	LiveRequests  int                `json:"live_requests"`
	ExemptClients []string           `json:"exempt_clients"`
	Limits        []string           `json:"limits"`
	Incomplete    bool               `json:"incomplete"`
}

func preview() *cobra.Command {
	var (
		g    gateway
		whom targetFlags
		from instant
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
	bindAll(cmd, &g, &from)
	whom.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		target, err := whom.target(cmd, &g)
		if err != nil {
			return err
		}
		body, err := g.read(cmd.Context(), "POST", apiPreview, previewRequest{target, from})
		_, err = show(consoleOf(cmd), body, err, writePreview)
		return err
	})
	return cmd
}

func writePreview(w io.Writer, p previewAnswer) error {
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
