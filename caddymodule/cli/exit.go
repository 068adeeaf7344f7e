package cli

import (
	"errors"
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

// The exit statuses other than 0, which says enforced. Caddy and cobra know 1 only.
const (
	exitFailed  = 1
	exitPending = 3
	exitRefused = 4
)

var (
	// errPending: the write is durable, but not in force everywhere yet.
	errPending = errors.New("not in force everywhere yet")
	// errNotReady: the next write will not be in force everywhere at once.
	errNotReady = errors.New("not every node is ready")
	// errNoKeys: a node can't verify the tokens of an issuer.
	errNoKeys = errors.New("not every issuer's keys are there")
	// errInvalidToken: no rule was tried, since it is not a token.
	errInvalidToken = errors.New("the token is not valid here; its rules were not tried")
	// errNothingExplained: the gateway can't verify a token now.
	errNothingExplained = errors.New("the gateway can't verify this token yet: `caddy curfew status` says why")
	// errRefused: the gateway refused some lines of an import.
	errRefused = errors.New("some lines were refused; the others were done")
)

// exitOf is the exit status that tells an error.
func exitOf(err error) int {
	var refusal *adminclient.Problem
	var doubt *adminclient.InDoubt
	switch {
	case errors.As(err, &doubt):
		return exitFailed
	case errors.Is(err, errPending), errors.Is(err, errNotReady), errors.Is(err, errNoKeys):
		return exitPending
	case errors.Is(err, errRefused), errors.Is(err, errInvalidToken), errors.As(err, &refusal) && refusal.Status < 500:
		return exitRefused
	}
	return exitFailed
}

type runFunc func(cmd *cobra.Command, args []string) error

// run makes f a command that prints its error once and exits with its status.
func run(f runFunc) runFunc {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		if err == nil {
			return nil
		}
		cmd.SilenceErrors = true
		fmt.Fprintln(cmd.ErrOrStderr(), "Error:", err)
		status := exitOf(err)
		if status == exitFailed {
			return err
		}
		// Only Caddy's wrapper makes errors that carry a status. It would log
		// the error once more, so it isn't given one.
		return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(cmd, args)
	}
}
