package caddymodule_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/goleak"
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
	code := m.Run()
	client.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	// Caddy's admin endpoint outlives caddy.Stop, and with it what the last
	// configuration refers to.
	if err := errors.Join(caddy.Load([]byte(`{"admin":{"disabled":true}}`), true), caddy.Stop()); err != nil {
		panic(err)
	}
	// Token caches end when nothing refers to them any more, and servers when
	// their last connection has.
	err := goleak.Find(leftByCaddy...)
	for deadline := time.Now().Add(patience / 2); err != nil && time.Now().Before(deadline); err = goleak.Find(leftByCaddy...) {
		runtime.GC()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leftByCaddy is what goes on after caddy.Stop: the lock files of its storage,
// until their time has passed, and the token cache of the last configuration,
// to which something of Caddy's still refers.
var leftByCaddy = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/dgraph-io/ristretto/v2.(*Cache[...]).processItems"),
	goleak.IgnoreAnyFunction("github.com/dgraph-io/ristretto/v2.(*defaultPolicy[...]).processItems"),
	goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
}
