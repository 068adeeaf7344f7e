package cli

import "testing"

func TestParseAddress(t *testing.T) {
	for in, want := range map[string][2]string{
		"localhost:2019":             {"tcp", "localhost:2019"},
		"tcp/127.0.0.1:2019":         {"tcp", "127.0.0.1:2019"},
		"[::1]:2019":                 {"tcp", "[::1]:2019"},
		":2019":                      {"tcp", ":2019"},
		"unix//run/caddy.sock":       {"unix", "/run/caddy.sock"},
		"unix//run/caddy.sock|0220":  {"unix", "/run/caddy.sock"},
		"unix/relative/admin.socket": {"unix", "relative/admin.socket"},
	} {
		network, address, err := parseAddress(in)
		if got := [2]string{network, address}; err != nil || got != want {
			t.Errorf("parseAddress(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "localhost", "localhost:1-9", "localhost:x", "http://localhost:2019", "fd/3", "unix//run/x|0044"} {
		if c, err := dial(in); err == nil {
			t.Errorf("dial(%q) is a client of %s, want an error", in, c.Name)
		}
	}
}
