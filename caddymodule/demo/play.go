package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// step is one line of the story.
type step struct {
	title string
	// play does it and returns a note for the reader, or what did not hold.
	play func(context.Context) (note string, err error)
}

// errStory fails the command: what went wrong is printed with its step.
var errStory = errors.New("the story did not hold")

// play plays steps in order, each with a timed line. A step needs those before it,
// so play stops after a step that failed.
func play(ctx context.Context, w io.Writer, steps []step) error {
	began := time.Now()
	for i, s := range steps {
		started := time.Now()
		note, err := s.play(ctx)
		verdict := "ok"
		if err != nil {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, "%-6s %9s  %s\n", verdict, milliseconds(started), s.title)
		if err != nil {
			fmt.Fprintf(w, "    %v\n%d of %d steps were not played.\n", err, len(steps)-i-1, len(steps))
			return errStory
		}
		if note != "" {
			fmt.Fprintf(w, "%18s  (%s)\n", "", note)
		}
	}
	_, err := fmt.Fprintf(w, "All %d steps held, in %s.\n", len(steps), milliseconds(began))
	return err
}

func milliseconds(since time.Time) string {
	return fmt.Sprintf("%.1f ms", time.Since(since).Seconds()*1000)
}
