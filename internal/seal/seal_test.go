package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOnlyTheSameKeyPurposeAndFactsOpen(t *testing.T) {
	a, b := RandomKey(), RandomKey()
	rapid.Check(t, func(t *rapid.T) {
		plaintext, facts := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext"), rapid.SliceOf(rapid.Byte()).Draw(t, "facts")
		text, err := Keys{a, b}.Seal("preview", plaintext, facts)
		if err != nil || !regexp.MustCompile(`^1\.[A-Za-z0-9_-]{8}\.[A-Za-z0-9_-]+$`).MatchString(text) {
			t.Fatalf("sealed %q, %v", text, err)
		}
		for name, keys := range map[string]Keys{"the same": {a, b}, "in another order": {b, a}} {
			if got, err := keys.Open("preview", text, facts); err != nil || !bytes.Equal(got, plaintext) {
				t.Fatalf("%s keys: %q, %v", name, got, err)
			}
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		changed := []byte(text)
		changed[at] ^= byte(rapid.IntRange(1, 127).Draw(t, "change"))
		for name, open := range map[string]func() ([]byte, error){
			"another key":     func() ([]byte, error) { return Keys{b}.Open("preview", text, facts) },
			"no key":          func() ([]byte, error) { return Keys{}.Open("preview", text, facts) },
			"another purpose": func() ([]byte, error) { return Keys{a}.Open("session", text, facts) },
			"other facts":     func() ([]byte, error) { return Keys{a}.Open("preview", text, append(facts, 0)) },
			"a changed text":  func() ([]byte, error) { return Keys{a}.Open("preview", string(changed), facts) },
			"a part":          func() ([]byte, error) { return Keys{a}.Open("preview", text[:at], facts) },
			"a longer text":   func() ([]byte, error) { return Keys{a}.Open("preview", text+"A", facts) },
			"a line break":    func() ([]byte, error) { return Keys{a}.Open("preview", text[:at]+"\n"+text[at:], facts) },
		} {
			if got, err := open(); !errors.Is(err, ErrSealed) {
				t.Fatalf("%s opened %q, %v", name, got, err)
			}
		}
	})
}

func TestNoTwoTextsAreAlike(t *testing.T) {
	k := Keys{RandomKey()}
	one, _ := k.Seal("p", []byte("x"), nil)
	other, _ := k.Seal("p", []byte("x"), nil)
	if one == other {
		t.Error("the nonce is the same")
	}
	if _, err := (Keys{}).Seal("p", nil, nil); err == nil {
		t.Error("sealed without a key")
	}
}

func FuzzOpen(f *testing.F) {
	k := Keys{RandomKey()}
	text, _ := k.Seal("p", []byte("x"), nil)
	f.Add(text)
	f.Add("1..")
	f.Add("..1")
	f.Fuzz(func(t *testing.T, forged string) {
		if got, err := k.Open("p", forged, nil); err == nil && forged != text {
			t.Errorf("opened %q", got)
		}
	})
}

func TestFilesOfKeys(t *testing.T) {
	dir, secret := t.TempDir(), bytes.Repeat([]byte{0xfb, 0xff}, 16)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want, _ := NewKey(secret)
	for name, text := range map[string]string{
		"openssl":  base64.StdEncoding.EncodeToString(secret) + "\n",
		"unpadded": base64.RawStdEncoding.EncodeToString(secret),
		"url":      base64.URLEncoding.EncodeToString(secret) + "\r\n",
	} {
		if k, err := ReadFile(write(name, text)); err != nil || k.ID() != want.ID() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, mend := range map[string]string{
		"": "has 32 bytes, this one has 0", "AAAA": "has 32 bytes, this one has 3", "not base64!": "is not base64",
		strings.Repeat("A", 44): "has 32 bytes, this one has 33", strings.Repeat("A", 8<<10): "is not the file of a key",
	} {
		if _, err := ReadFile(write("wrong", text)); err == nil || !strings.Contains(err.Error(), mend) || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("no file: %v", err)
	}
	if _, err := ReadFile(dir); err == nil {
		t.Error("a directory is a key")
	}
}

func TestAKeyThatWasMadeStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealing.key")
	if made, err := MakeFile(path); !made || err != nil {
		t.Fatalf("%t %v", made, err)
	}
	k, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if stat, err := os.Stat(path); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", stat.Mode(), err)
	}
	if made, err := MakeFile(path); made || err != nil {
		t.Errorf("a second one: %t %v", made, err)
	}
	again, err := ReadFile(path)
	if left, _ := os.ReadDir(filepath.Dir(path)); err != nil || again.ID() != k.ID() || len(left) != 1 {
		t.Errorf("%v, %v", err, left)
	}
}

// Keys are rotated in their files; one that is gone by mistake still holds.
func TestKeysAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := MakeFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := f.Keys()
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(path)
	if keys, err := f.Keys(); err == nil || keys[0] != before[0] {
		t.Errorf("gone: %v", err)
	}
	if keys, err := f.Keys(); err != nil || keys[0] != before[0] {
		t.Errorf("gone, and said so: %v", err)
	}
	if _, err := MakeFile(path); err != nil {
		t.Fatal(err)
	}
	if keys, err := f.Keys(); err != nil || keys[0].ID() == before[0].ID() {
		t.Errorf("another one: %v", err)
	}
	if _, err := Open(path, path+".none"); err == nil {
		t.Error("a file that is not there")
	}
}
