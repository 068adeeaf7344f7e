package caddymodule_test

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

const (
	// asCaddy makes the test binary Caddy, with that configuration, instead of
	// a test.
	asCaddy = "CURFEW_TEST_AS_CADDY"
	// fileLimit is how large that Caddy's files may become, in bytes.
	fileLimit = "CURFEW_TEST_FILE_LIMIT"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(asCaddy); config != "" {
		if limit, err := strconv.ParseUint(os.Getenv(fileLimit), 10, 64); err == nil {
			signal.Ignore(syscall.SIGXFSZ)
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
				panic(err)
			}
		}
		os.Args = []string{"caddy", "run", "--config", config}
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}
