package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/node"
)

func tail() *cobra.Command {
	var (
		g     gateway
		after string
	)
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follows what the gateway applies, as it happens",
		Long: `Prints every sign-out, block, lift, step-up and device change as the gateway
applies it, until it is interrupted. A connection that breaks off is taken up
where it ended.`,
		Example: `  $ caddy curfew tail
  $ caddy curfew tail --after 7.1042 --json`,
		Args: cobra.NoArgs,
	}
	g.bind(cmd)
	cmd.Flags().StringVar(&after, "after", "", "Begin after this position; default with what comes")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		return follow(cmd.Context(), &g, consoleOf(cmd), after)
	})
	return cmd
}

func follow(ctx context.Context, g *gateway, c console, after string) error {
	for e, err := range g.Follow(ctx, after, c.lost) {
		if err != nil {
			return c.refusal(err)
		}
		if err := c.event(e); err != nil {
			return fmt.Errorf("can't print an event: %w", err)
		}
	}
	return nil
}

// lost says that the connection was lost, and whether events may be missed.
func (c console) lost(err error, after string) {
	missed := "resuming after " + after
	if after == "" {
		missed = "what happens until it is back may be missed"
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Fprintf(c.err, "The connection was lost, %s (%s)\n", printable.Text(missed), printable.Text(first))
}

func (c console) event(e adminclient.Event) error {
	if c.json {
		return c.raw(e.Data)
	}
	_, err := fmt.Fprintln(c.out, eventText(e))
	return err
}

// eventText is an event in one line. An event that can't be decoded is shown as
// it is.
func eventText(e adminclient.Event) string {
	var r node.Receipt
	if json.Unmarshal(e.Data, &r) != nil {
		return printable.Text(e.Kind) + "  " + printable.Text(string(e.Data))
	}
	parts := []string{whenText(r), e.Kind, r.ID, targetText(r.Target), r.Mode}
	if r.Lifts != "" {
		parts = append(parts, "lifts "+r.Lifts)
	}
	parts = append(parts, "by "+byText(r))
	if r.Reason != "" {
		parts = append(parts, "reason: "+r.Reason)
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return printable.Text(strings.Join(parts, "  "))
}

// whenText is the instant of an event: of the cut, or since when it is in
// force.
func whenText(r node.Receipt) string {
	if r.At != nil || len(r.Enforcement.Nodes) == 0 {
		return timeText(r.At)
	}
	return timeText(r.Enforcement.Nodes[0].EnforcedAt)
}
