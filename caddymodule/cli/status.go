package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
)

// readyOf counts the nodes that serve.
func readyOf(n adminclient.Nodes) (ready int) {
	for _, s := range n.Items {
		if s.State == node.Ready.String() {
			ready++
		}
	}
	return ready
}

func status() *cobra.Command {
	var g gateway
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Says whether the gateway is ready, and if not, why",
		Long: `Shows the state of the gateway, its ledger and its issuers. Exits 0 when every
node is ready and has the keys of every issuer, 3 otherwise.`,
		Example: `  $ caddy curfew status
  $ caddy curfew status --address unix//run/caddy/admin.sock --json`,
		Args: cobra.NoArgs,
	}
	g.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		answer, err := g.Nodes(cmd.Context())
		n, err := show(consoleOf(cmd), answer, err, writeStatus)
		if err != nil {
			return err
		}
		if ready, want := readyOf(n), max(len(n.Items), n.Expected); ready < want {
			return fmt.Errorf("%w: %d of %s", errNotReady, ready, count(want, "node"))
		}
		for i := range n.Items {
			if missing := unready(&n.Items[i]); len(missing) > 0 {
				return fmt.Errorf("%w: %s has no keys of %s; its tokens are answered with 503 until the provider answers",
					errNoKeys, printable.Text(n.Items[i].Node), printable.Text(strings.Join(missing, ", ")))
			}
		}
		return nil
	})
	return cmd
}

func nodes() *cobra.Command {
	var g gateway
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "Lists the nodes with position, staleness and state",
		Long: `Lists every node that this one knows of, as it was last heard. A * marks an
epoch, version, format of records, configuration or sealing keys that differ from this node's,
the first. Of the keys it shows ids: the first key seals, all open.`,
		Example: `  $ caddy curfew nodes`,
		Args:    cobra.NoArgs,
	}
	g.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		answer, err := g.Nodes(cmd.Context())
		_, err = show(consoleOf(cmd), answer, err, writeNodes)
		return err
	})
	return cmd
}

// unready lists the issuers whose keys a node lacks.
func unready(s *node.Status) (urls []string) {
	for _, i := range s.Issuers {
		if !i.Ready {
			urls = append(urls, i.Issuer)
		}
	}
	return urls
}

func writeStatus(w io.Writer, n adminclient.Nodes) error {
	for _, s := range n.Items {
		fmt.Fprintln(w, printable.Text(s.Node), printable.Text(s.State))
		lines := newSheet(w)
		lines.line("why", s.Why)
		lines.line("position", s.Position)
		lines.line("staleness", secondsText(s.Staleness))
		lines.line("last heard", timeText(s.LastHeard))
		lines.line("version", s.Version)
		lines.line("format", formatText(s.Format))
		lines.line("config", s.ConfigDigest)
		lines.line("keys", strings.Join(s.SealingKeys, " "))
		for _, i := range s.Issuers {
			lines.line("issuer", issuerText(i))
		}
		if err := lines.flush(); err != nil {
			return err
		}
	}
	return nil
}

// formatText is the newest format of records that a node reads. A gateway from
// before formats tells none, and reads the first.
func formatText(format int) string { return strconv.Itoa(max(1, format)) }

func issuerText(i ledger.IssuerStatus) string {
	if i.Ready {
		return i.Issuer
	}
	return i.Issuer + ": no keys: " + i.Why
}

func writeNodes(w io.Writer, n adminclient.Nodes) error {
	s := newSheet(w)
	s.row("NODE", "STATE", "POSITION", "STALENESS", "LAST HEARD", "VERSION", "FORMAT", "CONFIG", "KEYS")
	drift := false
	mark := func(text string, differs bool) string {
		if !differs {
			return text
		}
		drift = true
		return text + " *"
	}
	for i := range n.Items {
		is, first := &n.Items[i], &n.Items[0]
		s.row(is.Node, is.State, mark(is.Position, is.Epoch != first.Epoch), secondsText(is.Staleness), timeText(is.LastHeard),
			mark(is.Version, is.Version != first.Version), mark(formatText(is.Format), max(1, is.Format) != max(1, first.Format)),
			mark(is.ConfigDigest, is.ConfigDigest != first.ConfigDigest),
			mark(strings.Join(is.SealingKeys, " "), !slices.Equal(is.SealingKeys, first.SealingKeys)))
	}
	err := s.flush()
	if drift && err == nil {
		_, err = fmt.Fprintln(w, "* differs from", printable.Text(n.Items[0].Node))
	}
	return err
}
