package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

const (
	apiImport = apiRevocations + "/import"
	// importPatience is how long an import may stand still.
	importPatience = time.Minute
	maxResult      = 1 << 20
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
		in := cmd.InOrStdin()
		if len(args) == 1 && args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("opening the import: %w", err)
			}
			defer f.Close()
			in = f
		}
		if repeat.key == "" {
			repeat.key = rand.Text()
		}
		return (&importer{gateway: &g, key: repeat.key, console: consoleOf(cmd)}).run(cmd.Context(), in)
	})
	return cmd
}

// importer sends lines and reads their results as they come.
type importer struct {
	gateway *gateway
	key     string
	console console

	done, refused, failed int
}

type importResult struct {
	Line    int      `json:"line"`
	Status  int      `json:"status"`
	ID      string   `json:"id"`
	Problem *problem `json:"problem"`
}

func (i *importer) run(ctx context.Context, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := newIdleTimer(importPatience, cancel)
	defer idle.stop()
	lines := &lineCounter{Reader: in}
	resp, err := i.gateway.open(ctx, "POST", apiImport, idle.source(lines),
		header{"Content-Type", "application/x-ndjson"}, header{"Idempotency-Key", i.key})
	if err != nil {
		if notSent(err) {
			return err
		}
		return i.console.refusal(i.again(err))
	}
	defer resp.Body.Close()
	if err := i.results(idle.answer(resp.Body)); err != nil {
		return i.again(fmt.Errorf("%w: reading the results: %w", errUnreachable, err))
	}
	return i.outcome(int(lines.count.Load()))
}

// results shows each line of the answer.
func (i *importer) results(answer io.Reader) error {
	lines := bufio.NewScanner(answer)
	lines.Buffer(nil, maxResult)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var r importResult
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		i.tally(r)
		if err := i.show(r, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (i *importer) tally(r importResult) {
	switch r.Status / 100 {
	case 2:
		i.done++
	case 4:
		i.refused++
	default:
		i.failed++
	}
}

// show writes what came as JSON, or else only what an operator must look at.
func (i *importer) show(r importResult, raw []byte) error {
	if i.console.json {
		return i.console.raw(raw)
	}
	if r.Status/100 == 2 {
		return nil
	}
	what := fmt.Sprintf("status %d", r.Status)
	if r.Problem != nil {
		what = r.Problem.Error()
	}
	_, err := fmt.Fprintf(i.console.out, "line %d: %s\n", r.Line, what)
	return err
}

// outcome sums up, and misses results that never came.
func (i *importer) outcome(sent int) error {
	answered := i.done + i.refused + i.failed
	if !i.console.json {
		fmt.Fprintf(i.console.out, "%s signed out, %d refused, %d failed\n", count(i.done, "line"), i.refused, i.failed)
	}
	switch {
	case answered < sent:
		return i.again(fmt.Errorf("the gateway answered %d of %s", answered, count(sent, "line")))
	case i.failed > 0:
		return i.again(errors.New("some lines failed"))
	case i.refused > 0:
		return errRefused
	}
	return nil
}

// again tells how to go on.
func (i *importer) again(err error) error {
	var refusal *problem
	if errors.As(err, &refusal) && refusal.Status < 500 && !refusal.retryable() {
		return err
	}
	return fmt.Errorf("%w\n  Run the command again with the same lines and --idempotency-key %s: what was done is not done twice", err, i.key)
}

// lineCounter counts the lines that are read through it, but not empty ones.
type lineCounter struct {
	io.Reader
	count atomic.Int64
	text  bool // the current line has some
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	for _, b := range p[:n] {
		switch b {
		case '\n':
			c.text = false
		case '\r':
		default:
			if !c.text {
				c.count.Add(1)
			}
			c.text = true
		}
	}
	return n, err
}
