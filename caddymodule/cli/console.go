package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

// console is the output of a command, and its form.
type console struct {
	out, err io.Writer
	json     bool
}

func consoleOf(cmd *cobra.Command) console {
	asJSON, _ := cmd.Flags().GetBool("json") // absent where the group is
	return console{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: asJSON}
}

// raw writes a JSON document of the gateway as it came.
func (c console) raw(body []byte) error {
	_, err := fmt.Fprintf(c.out, "%s\n", bytes.TrimSpace(body))
	return err
}

// refusal passes an error on. A refusal by the gateway is an answer too: with
// --json it is printed as it came.
func (c console) refusal(err error) error {
	var p *adminclient.Problem
	if c.json && errors.As(err, &p) {
		return errors.Join(err, c.raw(p.Raw))
	}
	return err
}

// show prints an answer, as it came or as text, and returns its value. The error
// of the exchange is passed through.
func show[T any](c console, a adminclient.Answer[T], err error, text func(io.Writer, T) error) (T, error) {
	switch {
	case err != nil:
		return a.Value, c.refusal(err)
	case c.json:
		return a.Value, c.raw(a.Raw)
	}
	return a.Value, text(c.out, a.Value)
}
