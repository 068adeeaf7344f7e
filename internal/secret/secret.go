// Package secret reads the secrets that a configuration names, and refuses values
// that can't be one.
//
// It must never put a secret into an error. All of it is in secret.go.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// minLength is how many characters a secret has at least. Shorter ones can be
// guessed.
const minLength = 16

// Check refuses a value that can't be a secret. The error never repeats it.
func Check(value []byte) error {
	if len(value) == 0 {
		return errors.New("it is empty or not set: give it a value")
	}
	for _, c := range value {
		if c <= ' ' || c > '~' {
			return errors.New("it has characters that can't be sent in a header: use visible ASCII")
		}
	}
	if len(value) < minLength {
		return fmt.Errorf("it has %d characters: use at least %d, such as what `openssl rand -base64 32` prints", len(value), minLength)
	}
	return nil
}

// checkGiven refuses what is no secret of a client (RFC 6749, appendix A.2).
func checkGiven(value []byte) error {
	if len(value) == 0 {
		return errors.New("it is empty or not set: give it a value")
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return errors.New("it has characters that no client secret has: use visible ASCII")
		}
	}
	return nil
}

// Secret is a value from the configuration: a literal, {env.NAME} or
// {file.PATH}. A file is read again when it changes. The configuration itself
// keeps the placeholder, so the value never shows in /config/.
type Secret struct {
	path  string // of the file; empty for other secrets
	check func([]byte) error

	mu    sync.Mutex
	value []byte
	stat  os.FileInfo
}

// New resolves a configured value. It returns an error for a value that can't be a
// secret.
func New(configured string) (*Secret, error) { return resolve(configured, Check) }

// Given is [New] for a secret that another party has chosen, so that it may be
// short.
func Given(configured string) (*Secret, error) { return resolve(configured, checkGiven) }

func resolve(configured string, check func([]byte) error) (*Secret, error) {
	s := &Secret{check: check}
	name, placeholder := strings.CutPrefix(configured, "{")
	name, closed := strings.CutSuffix(name, "}")
	switch {
	case strings.LastIndex(configured, "{env.") > 0 || strings.LastIndex(configured, "{file.") > 0:
		// If the placeholder were taken as a literal, its text would be the
		// secret.
		return nil, errors.New("a placeholder must be all of a secret, not a part of it")
	case !placeholder || !closed:
		s.value = []byte(configured)
	case strings.HasPrefix(name, "env."):
		s.value = []byte(os.Getenv(name[len("env."):]))
	case strings.HasPrefix(name, "file."):
		s.path = name[len("file."):]
		if err := s.read(); err != nil {
			return nil, fmt.Errorf("reading the secret %s (let the user Caddy runs as read it): %w", configured, err)
		}
	default:
		return nil, errors.New("a secret is a literal, {env.NAME} or {file./path}")
	}
	if err := check(s.value); err != nil {
		if placeholder && closed {
			return nil, fmt.Errorf("secret %s: %w", configured, err)
		}
		return nil, fmt.Errorf("secret: %w", err)
	}
	return s, nil
}

func (s *Secret) read() error {
	stat, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if !stat.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if stat.Size() > 64<<10 {
		return errors.New("the file is too large for a secret")
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	s.value, s.stat = bytes.TrimRight(b, "\r\n"), stat
	return nil
}

// Value returns the present secret. It returns an error if the file has become
// unreadable or unusable: a caller that can't be checked must not be admitted.
func (s *Secret) Value() ([]byte, error) {
	if s.path == "" {
		return s.value, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stat, err := os.Stat(s.path)
	if err != nil {
		return nil, errors.New("reading a secret file: " + err.Error())
	}
	if s.stat == nil || !stat.ModTime().Equal(s.stat.ModTime()) || stat.Size() != s.stat.Size() || !os.SameFile(stat, s.stat) {
		if err := s.read(); err != nil {
			return nil, fmt.Errorf("reading a secret file: %w", err)
		}
		if err := s.check(s.value); err != nil {
			s.stat = nil // read again at the next call
			return nil, fmt.Errorf("secret file %s: %w", s.path, err)
		}
	}
	return s.value, nil
}
