package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"curfew.dev/curfew/adminclient"
)

func group(extra ...*cobra.Command) *cobra.Command {
	c := Command(extra...)
	cmd := &cobra.Command{Use: c.Name, Short: c.Short, Long: c.Long}
	c.CobraFunc(cmd)
	return cmd
}

// Every command says what it does and shows how.
func TestCommandsExplainThemselves(t *testing.T) {
	for _, cmd := range group().Commands() {
		t.Run(cmd.Name(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Long == "" || !strings.Contains(cmd.Example, "caddy curfew "+cmd.Name()) {
				t.Error("it lacks a short or long help or an example of itself")
			}
			if cmd.Args == nil {
				t.Error("it ignores arguments that it doesn't know")
			}
			if strings.HasSuffix(cmd.Short, ".") {
				t.Error("Caddy's short helps have no full stop")
			}
		})
	}
}

// The commands of the design, section 8, as far as they exist.
func TestCommands(t *testing.T) {
	var names []string
	for _, cmd := range group(&cobra.Command{Use: "demo"}).Commands() {
		names = append(names, cmd.Name())
	}
	want := "adopt block demo doctor explain import init lift nodes preview receipt sessions sign-out status step-up tail unlink"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("commands %s, want %s", got, want)
	}
}

func TestExitOf(t *testing.T) {
	for want, errs := range map[int][]error{
		exitPending: {errPending, fmt.Errorf("x: %w", errPending)},
		exitRefused: {errRefused, &adminclient.Problem{Status: 422}, fmt.Errorf("x: %w", &adminclient.Problem{Status: 404})},
		exitFailed: {
			errors.Join(&adminclient.Problem{Status: 409}, &adminclient.InDoubt{Key: "k"}), adminclient.ErrUnreachable, errNotConfirmed,
			&adminclient.Problem{Status: 503}, &adminclient.Problem{Status: 500},
		},
	} {
		for _, err := range errs {
			if got := exitOf(err); got != want {
				t.Errorf("%v exits %d, want %d", err, got, want)
			}
		}
	}
}
