package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

func importing() *cobra.Command {
	var (
		g      gateway
		repeat repeatable
	)
	cmd := &cobra.Command{
		Use:   "import [<file>]",
		Short: "Signs out many at once, from lines of JSON",
		Long: `Reads one sign-out a line from a file or the standard input, as the API takes
them: {"target":{"iss":…,"sub":…},"reason":…}. Lines that are refused are shown
and don't keep the others from being done. Exits 0 when every line was done, 4
when some were refused.`,
		Example: `  $ caddy curfew import leavers.ndjson
  $ jq -c '{target:{iss,sub}}' accounts.json | caddy curfew import`,
		Args: cobra.MaximumNArgs(1),
	}
	bindAll(cmd, &g, &repeat)
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		in, total := cmd.InOrStdin(), -1
		if len(args) == 1 && args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("opening the import: %w", err)
			}
			defer f.Close()
			in = f
			if total, err = lines(f); err != nil {
				return fmt.Errorf("reading the import: %w", err)
			}
		}
		if repeat.key == "" {
			repeat.key = rand.Text()
		}
		return (&importer{gateway: &g, key: repeat.key, console: consoleOf(cmd), progress: progressOn(cmd.ErrOrStderr(), total)}).run(cmd.Context(), in)
	})
	return cmd
}

// importer sends lines and shows their outcomes as they come.
type importer struct {
	gateway *gateway
	key     string
	console console
	*progress

	done, refused, failed int
}

func (i *importer) run(ctx context.Context, in io.Reader) error {
	defer i.end()
	for line, err := range i.gateway.Import(ctx, in, i.key) {
		switch {
		case errors.Is(err, adminclient.ErrIncomplete):
			i.sum()
			return i.again(err)
		case adminclient.NotSent(err):
			return err
		case err != nil:
			return i.console.refusal(i.again(err))
		}
		i.tally(line)
		i.step()
		if err := i.show(line); err != nil {
			return i.again(err)
		}
	}
	i.sum()
	switch {
	case i.failed > 0:
		return i.again(errors.New("some lines failed"))
	case i.refused > 0:
		return errRefused
	}
	return nil
}

func (i *importer) tally(line adminclient.Imported) {
	switch line.Status / 100 {
	case 2:
		i.done++
	case 4:
		i.refused++
	default:
		i.failed++
	}
}

// show writes an outcome as it came, or in words if an operator must look at it.
func (i *importer) show(line adminclient.Imported) error {
	if i.console.json {
		return i.console.raw(line.Raw)
	}
	if line.Status/100 == 2 {
		return nil
	}
	why := fmt.Sprintf("status %d", line.Status)
	if line.Problem != nil {
		why = line.Problem.Error()
	}
	_, err := fmt.Fprintf(i.console.out, "line %d: %s\n", line.Line, why)
	return err
}

func (i *importer) sum() {
	i.end()
	if !i.console.json {
		fmt.Fprintf(i.console.out, "%s signed out, %d refused, %d failed\n", count(i.done, "line"), i.refused, i.failed)
	}
}

// again tells how to go on.
func (i *importer) again(err error) error {
	var refusal *adminclient.Problem
	if errors.As(err, &refusal) && refusal.Status < 500 && !refusal.Retryable() {
		return err
	}
	return fmt.Errorf("%w\n  Run the command again with the same lines and --idempotency-key %s: what was done is not done twice", err, i.key)
}
