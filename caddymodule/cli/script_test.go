package cli

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"caddy": caddyMain})
}

// caddyMain is Caddy's own main, so that the scripts see the exit statuses and the
// error lines that an operator sees.
func caddyMain() {
	hook := &cobra.Command{Use: "extra", Short: "From another room", Run: func(*cobra.Command, []string) {}}
	caddycmd.RegisterCommand(Command(hook))
	caddycmd.Main()
}

// TestScripts runs the command line against a gateway that answers what the
// script's folder api/ says; see [scripted].
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			address, err := serve(env)
			env.Setenv("CADDY_ADMIN", address)
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and checks its exit status: exits 3 caddy curfew …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits status command arguments…")
	}
	got := 0
	var failed *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
