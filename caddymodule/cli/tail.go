package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/node"
)

const (
	apiEvents = api + "/events"
	// silence is how long the stream may say nothing: the gateway sends a
	// comment every 15 s.
	silence = 45 * time.Second
	// resumeAfter is the pause before the stream is taken up again.
	resumeAfter = time.Second
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
		return (&follower{gateway: &g, console: consoleOf(cmd), lastID: after, pause: resumeAfter}).run(cmd.Context())
	})
	return cmd
}

// follower reads the event stream over as many connections as it takes.
type follower struct {
	gateway   *gateway
	console   console
	lastID    string
	pause     time.Duration
	connected bool // at least once
}

func (f *follower) run(ctx context.Context) error {
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var refusal *problem
		if !f.connected || errors.Is(err, errOutput) || errors.As(err, &refusal) && !refusal.retryable() {
			return f.console.refusal(err)
		}
		f.lost(err)
		if pause(ctx, f.pause) != nil {
			return nil
		}
	}
}

// lost says that the connection was, and whether something may be missed.
func (f *follower) lost(err error) {
	missed := "resuming after " + f.lastID
	if f.lastID == "" {
		missed = "what happens until it is back may be missed"
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Fprintf(f.console.err, "The connection was lost, %s (%s)\n", printable(missed), printable(first))
}

// follow reads one connection to its end.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := newIdleTimer(silence, cancel)
	defer idle.stop()
	fields := []header{{"Accept", "text/event-stream"}}
	if f.lastID != "" {
		fields = append(fields, header{"Last-Event-ID", f.lastID})
	}
	resp, err := f.gateway.open(ctx, "GET", apiEvents, nil, fields...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.connected = true
	events := newEventReader(idle.answer(resp.Body), f.lastID)
	for {
		e, err := events.next()
		f.lastID = events.lastID
		if events.retry > 0 {
			f.pause = events.retry
		}
		if err != nil {
			return fmt.Errorf("%w: reading its events: %w", errUnreachable, err)
		}
		if err := f.show(e); err != nil {
			return err
		}
	}
}

// errOutput: nobody reads what we print.
var errOutput = errors.New("can't print an event")

func (f *follower) show(e event) error {
	err := f.print(e)
	if err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

func (f *follower) print(e event) error {
	if f.console.json {
		return f.console.raw(e.data)
	}
	_, err := fmt.Fprintln(f.console.out, eventText(e))
	return err
}

// eventText is an event in one line. What it can't read it shows as it is.
func eventText(e event) string {
	var r node.Receipt
	if json.Unmarshal(e.data, &r) != nil {
		return printable(e.kind) + "  " + printable(string(e.data))
	}
	parts := []string{whenText(r), e.kind, r.ID, targetText(r.Target), r.Mode}
	if r.Lifts != "" {
		parts = append(parts, "lifts "+r.Lifts)
	}
	parts = append(parts, "by "+byText(r))
	if r.Reason != "" {
		parts = append(parts, "reason: "+r.Reason)
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return printable(strings.Join(parts, "  "))
}

// whenText is the instant of an event: of the cut, or since when it is in
// force.
func whenText(r node.Receipt) string {
	if r.At != nil || len(r.Enforcement.Nodes) == 0 {
		return timeText(r.At)
	}
	return timeText(r.Enforcement.Nodes[0].EnforcedAt)
}
