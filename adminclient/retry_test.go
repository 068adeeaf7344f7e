package adminclient

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
		unknown     = &Problem{Status: 503, Type: typeOutcomeUnknown, Title: "The request may or may not have taken effect", RetryAfter: time.Second}
		running     = &Problem{Status: 409, Type: typeInProgress, Title: "still running", RetryAfter: -1}
		unavailable = &Problem{Status: 503, Title: "nothing was changed", Detail: "no leader", RetryAfter: time.Second}
		following   = &Problem{Status: 503, Title: "nothing was changed", Detail: "this node may only follow", RetryAfter: time.Minute}
		refused     = &Problem{Status: 422, Title: "refused"}
		broken      = &Problem{Status: 500, Title: "broken", RetryAfter: -1}
		cut         = fmt.Errorf("%w: EOF", ErrUnreachable)
		nobody      = fmt.Errorf("%w: %w", ErrUnreachable, &net.OpError{Op: "dial", Err: errors.New("refused")})
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
		"never available":                  {slices.Repeat([]error{unavailable}, 26), unavailable, false, defaultEndurance},
		"never known":                      {slices.Repeat([]error{unknown}, 26), unknown, true, defaultEndurance},
		"unknown, then undone":             {append([]error{unknown}, slices.Repeat([]error{unavailable}, 25)...), unavailable, true, defaultEndurance},
		"cut off, however often":           {slices.Repeat([]error{cut}, 84), cut, true, 24 * time.Second},
		"running, however often":           {slices.Repeat([]error{running}, 84), running, true, 24 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, began := 0, time.Now()
				err := persist(t.Context(), "the-key", defaultEndurance, func() error {
					n++
					return c.outcomes[min(n, len(c.outcomes))-1]
				})
				if n != len(c.outcomes) {
					t.Errorf("%d attempts, want %d", n, len(c.outcomes))
				}
				if took := time.Since(began); took < c.least || took > defaultEndurance {
					t.Errorf("it took %s, want %s to %s", took, c.least, defaultEndurance)
				}
				if !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if err == nil {
					return
				}
				var doubt *InDoubt
				if got := errors.As(err, &doubt) && doubt.Key == "the-key"; got != c.doubt {
					t.Errorf("the key is offered: %v, want %v", got, c.doubt)
				}
				if c.doubt && strings.Contains(err.Error(), "nothing was changed") {
					t.Errorf("it may have been done, and says: %s", err)
				}
			})
		})
	}
}

func TestAWriteThatMayHaveBeenDoneSaysWhatWasTried(t *testing.T) {
	err := &InDoubt{
		heard: &Problem{Status: 503, Type: typeOutcomeUnknown, Title: "The request may or may not have taken effect"},
		last:  &Problem{Status: 503, Title: "The ledger can't be used now; nothing was changed", Detail: "the cluster has no leader"},
		Key:   "k", tries: 9, took: 24600 * time.Millisecond,
	}
	want := "The request may or may not have taken effect\n" +
		"  Tried 9 times in 25s; the last answer: the cluster has no leader\n" +
		"  It may have been done"
	if err.Error() != want {
		t.Errorf("it says\n%s\nwant\n%s", err, want)
	}
}
