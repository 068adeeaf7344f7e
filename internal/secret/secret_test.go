package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good, other = "0123456789abcdef", "fedcba9876543210"

func TestASecretIsALiteralAVariableOrAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, good+"\r\n")
	t.Setenv("CURFEW_TEST_SECRET", good)
	for _, configured := range []string{good, "{env.CURFEW_TEST_SECRET}", "{file." + file + "}"} {
		s, err := New(configured)
		if err != nil {
			t.Errorf("%s: %v", configured, err)
			continue
		}
		if v, err := s.Value(); string(v) != good || err != nil {
			t.Errorf("%s: got %q, %v", configured, v, err)
		}
	}
	for _, literal := range []string{"{" + good, good + "}", "a{b}c" + good} {
		if s, err := New(literal); err != nil || string(s.value) != literal {
			t.Errorf("%s is no literal: %v", literal, err)
		}
	}
}

func TestAnUnusableSecretIsRefusedAndNotRepeated(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		write(t, filepath.Join(dir, name), text)
		return "{file." + filepath.Join(dir, name) + "}"
	}
	t.Setenv("CURFEW_TEST_SECRET", "hunter2")
	for configured, want := range map[string]string{
		"":                              "give it a value",
		"hunter2":                       "use at least 16",
		"{hunter2":                      "use at least 16",
		"hunter2}":                      "use at least 16",
		"hunter2 0123456789":            "visible ASCII",
		"hunter2\u00e40123456789":       "visible ASCII",
		"{hunter2}":                     "a secret is a literal",
		"{hunter2{env.HOME}":            "must be all of a secret",
		"x{file./hunter2}":              "must be all of a secret",
		"{env.CURFEW_TEST_SECRET}":      "secret {env.CURFEW_TEST_SECRET}: it has 7 characters",
		"{env.CURFEW_TEST_NOT_SET}":     "give it a value",
		"{file.}":                       "no such file",
		"{file." + dir + "/missing}":    "no such file",
		"{file." + dir + "}":            "not a regular file",
		file("short", "hunter2\n"):      "it has 7 characters",
		file("empty", "\n"):             "give it a value",
		file("lines", good+"\nhunter2"): "visible ASCII",
		file("large", strings.Repeat("a", 64<<10+1)): "too large",
	} {
		s, err := New(configured)
		switch {
		case err == nil:
			t.Errorf("%q: got %q", configured, s.value)
		case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: got %v, want %s", configured, err, want)
		}
	}
}

func TestAFileThatChangesCountsAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, good)
	s, err := New("{file." + file + "}")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{{other, other}, {"short", ""}, {"short", ""}, {good, good}} {
		write(t, file, c.text)
		if v, err := s.Value(); string(v) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("after %q: got %q, %v", c.text, v, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Value(); v != nil || err == nil {
		t.Errorf("without its file: got %q, %v", v, err)
	}
}

// write replaces a file, so that it is another one whatever the clock says.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}
