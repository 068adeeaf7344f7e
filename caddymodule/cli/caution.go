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

	"curfew.dev/curfew/revocation"
)

// caution stands before what can hit more than one account: it shows a preview
// and asks.
type caution struct {
	yes         bool
	maxAffected int
}

func (c *caution) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.yes, "yes", false, "Don't ask before a target of many accounts")
	cmd.Flags().IntVar(&c.maxAffected, "max-affected", 0, "Refuse if the preview counts more accounts")
}

// consent is what the gateway wants to see beside a wide target.
type consent struct {
	PreviewID   string `json:"preview_id,omitempty"`
	MaxAffected *int   `json:"max_affected,omitempty"`
}

var errNotConfirmed = errors.New("not confirmed: nothing was done")

// ask gets consent for a request. A target of one account needs none, and what
// isn't a target is left for the gateway to refuse.
func (c *caution) ask(cmd *cobra.Command, g *gateway, r previewRequest) (consent, error) {
	var given consent
	if cmd.Flags().Changed("max-affected") {
		given.MaxAffected = &c.maxAffected
	}
	if !wide(r.Target) {
		return given, nil
	}
	body, err := g.read(cmd.Context(), "POST", apiPreview, r)
	con := consoleOf(cmd)
	if con.json && err == nil {
		// The standard output is for the one object that the command answers.
		con.out, con.json = con.err, false
	}
	p, err := show(con, body, err, writePreview)
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
func confirm(in io.Reader, out io.Writer, p previewAnswer) error {
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
