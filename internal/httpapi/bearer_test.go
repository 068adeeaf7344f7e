package httpapi

import (
	"errors"
	"testing"
)

func TestBearerRefusesWhatCanNeverBeSafe(t *testing.T) {
	secret := func(s string, err error) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(s), err }
	}
	for name, token := range map[string]NamedToken{
		"no name":    {"", Read, secret("read-token-0123456789", nil)},
		"no role":    {"x", NoRole, secret("read-token-0123456789", nil)},
		"no such":    {"x", BreakGlass + 1, secret("read-token-0123456789", nil)},
		"no secret":  {"x", Read, nil},
		"empty":      {"x", Read, secret("", nil)},
		"one byte":   {"x", Read, secret("a", nil)},
		"15 bytes":   {"x", Read, secret("0123456789abcde", nil)},
		"a space":    {"x", Read, secret("0123456789 abcdef", nil)},
		"unreadable": {"x", Read, secret("", errors.New("no such file"))},
	} {
		if _, err := Bearer([]NamedToken{token}, nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := Bearer([]NamedToken{{"x", Read, secret("read-token-0123456789", nil)}, {"y", Write, secret("read-token-0123456789", nil)}}, nil); err == nil {
		t.Error("a shared secret was accepted")
	}
}
