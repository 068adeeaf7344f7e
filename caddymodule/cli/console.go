package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// console is where a command answers, and in which form.
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

// refusal passes an error on. A refusal by the gateway is an answer too: where
// JSON is wanted it is printed as it came.
func (c console) refusal(err error) error {
	var p *problem
	if c.json && errors.As(err, &p) {
		return errors.Join(err, c.raw(p.raw))
	}
	return err
}

// show prints an answer, as it came or decoded and as text, and returns it
// decoded. The error of the exchange is passed through.
func show[T any](c console, body []byte, err error, text func(io.Writer, T) error) (answer T, _ error) {
	if err != nil {
		return answer, c.refusal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("reading the answer of the gateway: %w", err)
	}
	if c.json {
		return answer, c.raw(body)
	}
	return answer, text(c.out, answer)
}
