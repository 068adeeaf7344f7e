package cli

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A write is repeated for as long as waiting may help, and given up with the key
// where any of its attempts may have been heard, and without where none was.
func TestPersist(t *testing.T) {
	var (
		unknown     = &problem{Status: 503, Type: typeOutcomeUnknown, Title: "The request may or may not have taken effect", retryAfter: time.Second}
		running     = &problem{Status: 409, Type: typeInProgress, Title: "still running", retryAfter: -1}
		unavailable = &problem{Status: 503, Title: "nothing was changed", Detail: "no leader", retryAfter: time.Second}
		following   = &problem{Status: 503, Title: "nothing was changed", Detail: "this node may only follow", retryAfter: time.Minute}
		refused     = &problem{Status: 422, Title: "refused"}
		broken      = &problem{Status: 500, Title: "broken", retryAfter: -1}
		cut         = fmt.Errorf("%w: EOF", errUnreachable)
		nobody      = fmt.Errorf("%w: %w", errUnreachable, &net.OpError{Op: "dial", Err: errors.New("refused")})
	)
	election := slices.Repeat([]error{unavailable}, 6)
	for name, c := range map[string]struct {
		outcomes []error // of the attempts; the last one's stays
		want     error
		doubt    bool
		least    time.Duration
	}{
		"done":                             {[]error{nil}, nil, false, 0},
		"done at last":                     {[]error{unknown, running, nil}, nil, false, 0},
		"refused":                          {[]error{refused}, refused, false, 0},
		"nobody there":                     {[]error{nobody}, nobody, false, 0},
		"broken":                           {[]error{broken}, broken, true, 0},
		"cut off, then down":               {[]error{cut, nobody}, nobody, true, 0},
		"unknown, then refused":            {[]error{unknown, refused}, refused, true, 0},
		"an election, then taken":          {append(election, nil), nil, false, 6 * time.Second},
		"unknown, an election, then taken": {append([]error{unknown}, append(election, nil)...), nil, false, 7 * time.Second},
		"a node that may not write":        {[]error{following}, following, false, 0},
		"unknown, then such a node":        {[]error{unknown, following}, following, true, 0},
		"never available":                  {slices.Repeat([]error{unavailable}, 26), unavailable, false, endurance},
		"never known":                      {slices.Repeat([]error{unknown}, 26), unknown, true, endurance},
		"unknown, then undone":             {append([]error{unknown}, slices.Repeat([]error{unavailable}, 25)...), unavailable, true, endurance},
		"cut off, however often":           {slices.Repeat([]error{cut}, 84), cut, true, 24 * time.Second},
		"running, however often":           {slices.Repeat([]error{running}, 84), running, true, 24 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, began := 0, time.Now()
				_, err := persist(t.Context(), "the-key", func() ([]byte, error) {
					n++
					return nil, c.outcomes[min(n, len(c.outcomes))-1]
				})
				if n != len(c.outcomes) {
					t.Errorf("%d attempts, want %d", n, len(c.outcomes))
				}
				if took := time.Since(began); took < c.least || took > endurance {
					t.Errorf("it took %s, want %s to %s", took, c.least, endurance)
				}
				if !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if err == nil {
					return
				}
				if got := strings.Contains(err.Error(), "--idempotency-key the-key"); got != c.doubt {
					t.Errorf("the key is offered: %v, want %v", got, c.doubt)
				}
				if c.doubt && strings.Contains(err.Error(), "nothing was changed") {
					t.Errorf("it may have been done, and says: %s", err)
				}
			})
		})
	}
}

func TestWhatMayHaveBeenDoneSaysWhatWasTriedAndWhatToDo(t *testing.T) {
	err := &inDoubt{
		heard: &problem{Status: 503, Type: typeOutcomeUnknown, Title: "The request may or may not have taken effect"},
		last:  &problem{Status: 503, Title: "The ledger can't be used now; nothing was changed", Detail: "the cluster has no leader"},
		key:   "k", tries: 9, took: 24600 * time.Millisecond,
	}
	want := "The request may or may not have taken effect\n" +
		"  Tried 9 times in 25s; the last answer: the cluster has no leader\n" +
		"  It may have been done. Run the command again with --idempotency-key k: it is done once"
	if err.Error() != want {
		t.Errorf("it says\n%s\nwant\n%s", err, want)
	}
}
