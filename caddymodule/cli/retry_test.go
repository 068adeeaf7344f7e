package cli

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// A write is given up with the key where any of its attempts may have been
// heard, and without where none was.
func TestPersist(t *testing.T) {
	var (
		unknown     = &problem{Status: 503, Type: typeOutcomeUnknown, retryAfter: -1}
		running     = &problem{Status: 409, Type: typeInProgress, retryAfter: -1}
		unavailable = &problem{Status: 503, retryAfter: longestPause}
		refused     = &problem{Status: 422}
		broken      = &problem{Status: 500}
		cut         = fmt.Errorf("%w: EOF", errUnreachable)
		nobody      = fmt.Errorf("%w: %w", errUnreachable, &net.OpError{Op: "dial", Err: errors.New("refused")})
	)
	for name, c := range map[string]struct {
		outcomes []error // of the attempts; the last one's stays
		want     error
		doubt    bool
	}{
		"done":                    {[]error{nil}, nil, false},
		"done at last":            {[]error{unknown, running, nil}, nil, false},
		"refused":                 {[]error{refused}, refused, false},
		"nobody there":            {[]error{nobody}, nobody, false},
		"broken":                  {[]error{broken}, broken, true},
		"never available":         {[]error{unavailable, unavailable, unavailable}, unavailable, false},
		"cut off":                 {[]error{cut, cut, cut}, cut, true},
		"cut off, then down":      {[]error{cut, nobody}, nobody, true},
		"unknown, then undone":    {[]error{unknown, unavailable, unavailable}, unavailable, true},
		"unknown, then refused":   {[]error{unknown, refused}, refused, true},
		"running, however often":  {[]error{running, running, running}, running, true},
		"unavailable, then taken": {[]error{unavailable, nil}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				_, err := persist(t.Context(), "the-key", func() ([]byte, error) {
					n++
					return nil, c.outcomes[min(n, len(c.outcomes))-1]
				})
				if n != len(c.outcomes) {
					t.Errorf("%d attempts, want %d", n, len(c.outcomes))
				}
				if !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if got := err != nil && strings.Contains(err.Error(), "--idempotency-key the-key"); got != c.doubt {
					t.Errorf("the key is offered: %v, want %v", got, c.doubt)
				}
			})
		})
	}
}
