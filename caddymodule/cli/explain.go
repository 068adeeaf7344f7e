package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/bounded"
	"curfew.dev/curfew/internal/printable"
	"curfew.dev/curfew/policy"
)

// maxToken is the longest token that is read, in bytes.
const maxToken = 64 << 10

func explain() *cobra.Command {
	var (
		g        gateway
		policies []string
	)
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Says whether a token is admitted, and which rule decides",
		Long: `Reads a token from the standard input, never from the arguments, and shows the
decision of the gateway with every rule that was tried. Exits 0 whether a valid
token is admitted or not, and 4 where it is none: malformed, expired, of another
issuer or for another audience.`,
		Example: `  $ caddy curfew explain <token.txt
  $ wl-paste | caddy curfew explain --policy billing`,
		Args: noToken,
	}
	g.bind(cmd)
	cmd.Flags().StringSliceVar(&policies, "policy", nil, "Policy of the route; repeatable")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		token, err := readToken(cmd.InOrStdin(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		answer, err := g.Explain(cmd.Context(), adminclient.Question{Token: token, Policies: policies})
		e, err := show(consoleOf(cmd), answer, err, writeExplanation)
		switch {
		case err != nil:
			return err
		case e.Reason == policy.InvalidToken.String():
			return errInvalidToken
		case e.Reason == policy.NotReady.String():
			return errNothingExplained
		}
		return nil
	})
	return cmd
}

// noToken refuses arguments without repeating them, as cobra would.
func noToken(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("the token comes from the standard input, not from the arguments: others can read those")
	}
	return nil
}

// readToken reads a token, with the scheme before it or not.
func readToken(in io.Reader, hint io.Writer) (string, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(hint, "Paste the token, then press Enter and Ctrl-D:")
	}
	b, err := bounded.Read(in, maxToken)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := string(bytes.TrimSpace(b))
	if scheme, rest, found := strings.Cut(token, " "); found && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")) {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return "", errors.New("no token: give one on the standard input")
	}
	return token, nil
}

func writeExplanation(w io.Writer, e adminclient.Explanation) error {
	verdict := printable.Text(e.Decision)
	if e.Reason != "" && e.Reason != policy.Admitted.String() {
		verdict += ": " + printable.Text(e.Reason)
	}
	fmt.Fprintln(w, verdict)
	s := newSheet(w)
	s.row("RULE", "OUTCOME", "LOOKED AT")
	for _, r := range e.Rules {
		outcome := r.Outcome
		if r.Reason != "" {
			outcome += ": " + r.Reason
		}
		s.row(r.Rule, outcome, inputsText(r.Inputs))
	}
	return s.flush()
}

func inputsText(inputs map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		parts = append(parts, name+"="+valueText(inputs[name]))
	}
	return strings.Join(parts, " ")
}

// valueText writes what JSON decoded to; numbers are instants and durations,
// which have no exponent.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case float64:
		return fmt.Sprintf("%.10g", v)
	}
	return fmt.Sprint(v)
}
