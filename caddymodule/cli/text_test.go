package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestReadToken(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.c\n":          "a.b.c",
		"Bearer a.b.c\r\n": "a.b.c",
		"dpop  a.b.c":      "a.b.c",
		"a b":              "a b", // not a token: for the gateway to refuse
	} {
		got, err := readToken(strings.NewReader(in), io.Discard)
		if err != nil || got != want {
			t.Errorf("readToken(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := readToken(bytes.NewReader(make([]byte, maxToken+1)), io.Discard); err == nil {
		t.Error("a token without end was read")
	}
}
