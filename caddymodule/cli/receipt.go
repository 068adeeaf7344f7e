package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/node"
)

func receipt() *cobra.Command {
	var g gateway
	cmd := &cobra.Command{
		Use:   "receipt <id>",
		Short: "Shows where a sign-out is in force by now",
		Long: `Shows the receipt of a revocation as it stands now: what was asked, by whom,
and which nodes enforce it. Exits 0 when all of them do, 3 while some don't.`,
		Example: `  $ caddy curfew receipt rev_7.1042.0
  $ until caddy curfew receipt rev_7.1042.0; do sleep 1; done`,
		Args: cobra.ExactArgs(1),
	}
	g.bind(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		return showReceipt(cmd)(g.Receipt(cmd.Context(), args[0]))
	})
	return cmd
}

// showReceipt returns a function that prints the receipt of a call, and reports
// errPending unless it is in force everywhere.
func showReceipt(cmd *cobra.Command) func(adminclient.Receipted, error) error {
	return func(answer adminclient.Receipted, err error) error {
		r, err := show(consoleOf(cmd), answer, err, writeReceipt)
		var doubt *adminclient.InDoubt
		switch {
		case errors.As(err, &doubt):
			return fmt.Errorf("%w. Run the command again with --idempotency-key %s: it is done once", err, doubt.Key)
		case err == nil && r.Enforcement.State != "enforced":
			return fmt.Errorf("%w; %s", errPending, followUp(r))
		}
		return err
	}
}

// followUp tells how to see when it is in force everywhere. Only a revocation's
// receipt can be asked for again.
func followUp(r node.Receipt) string {
	if strings.HasPrefix(r.ID, "rev_") {
		return "ask again with `caddy curfew receipt " + printable.Text(r.ID) + "`"
	}
	return "`caddy curfew nodes` shows which have reached " + printable.Text(r.Position)
}

// headlines say what a receipt is of, by the prefix of its id.
var headlines = map[string]string{
	"rev": "signed out",
	"blk": "blocked",
	"stp": "stepped up",
	"lft": "lifted",
}

// headline says what a receipt is of. A ledger's first record signs out nobody
// or everybody.
func headline(r node.Receipt) string {
	kind, _, _ := strings.Cut(r.ID, "_")
	what := headlines[kind]
	switch {
	case r.Source != "genesis":
	case r.Mode == "":
		what = "began the ledger, signed nobody out"
	default:
		what = "began the ledger, signed everybody out"
	}
	return strings.TrimSpace(what + " " + printable.Text(r.ID))
}

func writeReceipt(w io.Writer, r node.Receipt) error {
	fmt.Fprintln(w, headline(r))
	s := newSheet(w)
	s.line("lifts", r.Lifts)
	s.line("target", targetText(r.Target))
	s.line("mode", r.Mode)
	s.line("from before", timeText(r.At))
	s.line("acr", strings.Join(r.ACR, " "))
	s.line("amr", strings.Join(r.AMR, " "))
	s.line("routes", r.Routes)
	s.line("exempt", exemptText(r.ExemptClients))
	s.line("by", byText(r))
	s.line("reason", r.Reason)
	for _, l := range r.Limits {
		s.line("limit", limitText(l))
	}
	s.line("durability", r.Durability)
	s.line("in force", forceText(r))
	s.line("cut", count(r.Enforcement.LiveRequestsCut, "live request"))
	if err := s.flush(); err != nil {
		return err
	}
	return writeNodeReceipts(w, r.Enforcement.Nodes)
}

func byText(r node.Receipt) string {
	by := r.Actor
	if by == "" {
		by = r.Source
	}
	if r.OnBehalfOf != "" {
		by += " on behalf of " + r.OnBehalfOf
	}
	return by
}

// forceText says where it is in force, and the bound.
func forceText(r node.Receipt) string {
	e := r.Enforcement
	where := map[string]string{
		"enforced": "everywhere",
		"pending":  "not everywhere yet",
		"partial":  "on fewer nodes than expected",
	}[e.State]
	if where == "" {
		where = e.State
	}
	if e.EnforcedBy == nil {
		return where + "; there is no bound"
	}
	then := "no node admits it"
	switch {
	case r.Lifts != "":
		then = "every serving node has lifted it"
	case r.Source == "genesis" && r.Mode == "":
		return where
	}
	return where + "; after " + timeText(e.EnforcedBy) + " " + then
}

func writeNodeReceipts(w io.Writer, nodes []node.NodeReceipt) error {
	s := newSheet(w)
	s.row("NODE", "STATE", "SINCE", "CUT")
	for _, n := range nodes {
		since := timeText(n.EnforcedAt)
		if since == "" {
			since = "-"
		}
		s.row(n.Node, n.State, since, fmt.Sprint(n.LiveRequestsCut))
	}
	return s.flush()
}
