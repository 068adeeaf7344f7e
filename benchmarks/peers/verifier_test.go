package main

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"curfew.dev/curfew/benchmarks/rig"
)

// A peer that admits every request would look cheap.
func TestVerifierChecks(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		p, err := rig.NewProvider("127.0.0.1:0", algorithm)
		if err != nil {
			t.Fatal(err)
		}
		good, err := p.Token("alice")
		if err != nil {
			t.Fatal(err)
		}
		v := &verifier{key: p.PublicKey(), revoked: map[string]bool{"mallory": true}}
		if c, err := v.check(good); err != nil || c.Subject != "alice" || c.Issuer != p.URL {
			t.Errorf("%s: %+v, %v", algorithm, c, err)
		}
		revoked, err := p.Token("mallory")
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(good, ".")
		for name, raw := range map[string]string{
			"revoked": revoked, "empty": "", "unsigned": head + "." + rest[:40] + ".", "changed": head + "." + "A" + rest[1:],
		} {
			if _, err := v.check(raw); err == nil {
				t.Errorf("%s: %s passes", algorithm, name)
			}
		}
	}
}

func TestRedisAsksForBoth(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for _, answer := range []string{":0\r\n", ":1\r\n"} {
			for range 7 { // lines of a command with two keys
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
			}
			_, _ = c.Write([]byte(answer))
		}
	}()
	r := newRedis(l.Addr().String())
	for _, want := range []bool{false, true} {
		if got, err := r.any("a", "b"); got != want || err != nil {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	if _, err := r.any("a", "b"); err == nil {
		t.Error("a Redis that is gone says nothing is revoked")
	}
}
