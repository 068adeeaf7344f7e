package gatewaytest

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// OwnDirectories keeps the Caddy of this process out of the directories of the
// account that runs the test.
func OwnDirectories(tb testing.TB) {
	tb.Helper()
	home := tb.TempDir()
	tb.Setenv("XDG_DATA_HOME", home)
	tb.Setenv("XDG_CONFIG_HOME", home)
}

// Adapt makes JSON of a Caddyfile. Messages name it Caddyfile. The modules must
// have been registered by imports of the test.
func Adapt(text string) ([]byte, []caddyconfig.Warning, error) {
	return caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
}

// Validate provisions a configuration and starts nothing, as `caddy validate`
// does.
func Validate(config []byte) error {
	var c caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &c); err != nil {
		return err
	}
	return caddy.Validate(&c)
}

// Load runs a configuration in this process until the test ends. Call
// [OwnDirectories] first.
func Load(tb testing.TB, config []byte) {
	tb.Helper()
	if err := caddy.Load(config, true); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			tb.Errorf("stopping Caddy: %v", err)
		}
	})
}

// AwaitReady waits until a readiness probe, such as http://127.0.0.1:81/readyz,
// answers 200.
func AwaitReady(tb testing.TB, probe string) {
	tb.Helper()
	Until(tb, "the gateway is ready", func() bool {
		resp, err := http.Get(probe)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// Until polls until something holds.
func Until(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %s until %s", Patience, what)
		}
	}
}
