package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/revocation"
)

// caution shows a preview and asks before a write that can hit more than one
// account.
type caution struct {
	yes         bool
	maxAffected int
}

func (c *caution) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.yes, "yes", false, "Don't ask before a target of many accounts")
	cmd.Flags().IntVar(&c.maxAffected, "max-affected", 0, "Refuse if the preview counts more accounts")
}

var errNotConfirmed = errors.New("not confirmed: nothing was done")

// ask has a request confirmed. A target of one account needs no confirmation,
// and an invalid target is left for the gateway to refuse.
func (c *caution) ask(cmd *cobra.Command, g *gateway, r adminclient.Revocation) (given adminclient.Confirmation, _ error) {
	if cmd.Flags().Changed("max-affected") {
		given.MaxAffected = &c.maxAffected
	}
	if !wide(r.Target) {
		return given, nil
	}
	answer, err := g.Preview(cmd.Context(), r)
	con := consoleOf(cmd)
	if con.json && err == nil {
		// The standard output is for the one object that the command answers.
		con.out, con.json = con.err, false
	}
	p, err := show(con, answer, err, writePreview)
	if err != nil {
		return given, err
	}
	given.PreviewID = p.ID
	if c.yes {
		return given, nil
	}
	return given, confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), p)
}

func wide(t revocation.Target) bool {
	kind, err := t.Kind()
	return err == nil && kind.Wide()
}

// confirm asks the person at the terminal. Without one the answer is no.
func confirm(in io.Reader, out io.Writer, p adminclient.Preview) error {
	if f, ok := in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return errors.New("this can hit many accounts and nobody is there to be asked: look at the preview, then add --yes")
	}
	number := strconv.Itoa(p.Accounts)
	fmt.Fprintf(out, "Type %s or yes to go on: ", number)
	answer, err := bufio.NewReader(io.LimitReader(in, 256)).ReadString('\n')
	answer = strings.TrimSpace(answer)
	if err != nil || answer != "yes" && answer != number {
		return errNotConfirmed
	}
	return nil
}
