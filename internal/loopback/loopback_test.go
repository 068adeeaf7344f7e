package loopback

import "testing"

func TestOnlyThisMachineIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost":        true,
		"127.0.0.1":        true,
		"127.1.2.3":        true,
		"::1":              true,
		"0:0:0:0:0:0:0:1":  true,
		"::ffff:127.0.0.1": true,

		"":                      false,
		"LOCALHOST":             false,
		"localhost.":            false,
		"x.localhost":           false,
		"localhost.example.com": false,
		"127.0.0.1.example.com": false,
		"127.0.0.1:9000":        false,
		"127.1":                 false,
		"127.0.0.01":            false,
		"2130706433":            false,
		"[::1]":                 false,
		"::1%lo":                false,
		"::ffff:10.0.0.1":       false,
		"::":                    false,
		"0.0.0.0":               false,
		"10.0.0.1":              false,
		"169.254.169.254":       false,
		"fe80::1":               false,
	} {
		if got := Is(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}
