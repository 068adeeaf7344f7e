package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"curfew.dev/curfew/internal/outbound"
)

// KeySource is where the keys of an issuer are. The zero value is for an issuer
// whose documents are at their well-known places.
type KeySource struct {
	// Discovery is the URL of the discovery document, if it is elsewhere.
	Discovery string
	// JWKS is the URL or the path of the key set. No discovery document is read
	// then. A file is read again when it has changed.
	JWKS string
}

// Validate returns an error that names the mistake and the mend. It opens nothing.
func (s KeySource) Validate() error {
	if s.Discovery != "" && s.JWKS != "" {
		return errors.New("discovery and jwks: the discovery document would not be read; remove one of them")
	}
	if s.Discovery != "" {
		if err := validateKeyURL(s.Discovery); err != nil {
			return fmt.Errorf("discovery %w", err)
		}
	}
	if s.JWKS != "" && !s.IsFile() {
		if err := validateKeyURL(s.JWKS); err != nil {
			return fmt.Errorf("jwks %w", err)
		}
	}
	return nil
}

// IsFile reports whether the keys are in a file of this machine.
func (s KeySource) IsFile() bool { return s.JWKS != "" && !strings.Contains(s.JWKS, "://") }

// Check reads the file, if it is one. The error says why its keys can't be used.
func (s KeySource) Check() error {
	if !s.IsFile() {
		return nil
	}
	body, err := readFile(context.Background(), s.JWKS)
	if err != nil {
		return err
	}
	if _, err = parseKeyring(body); err != nil {
		return fmt.Errorf("%s: %w", s.JWKS, err)
	}
	return nil
}

// asked is the configured URL that is asked first. It decides whether loopback
// may be asked: a remote provider can't point us at this machine.
func (s KeySource) asked(issuer string) string { return cmp.Or(s.JWKS, s.Discovery, issuer) }

// validateKeyURL never repeats a query, which may hold a secret.
func validateKeyURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case strings.ContainsAny(s, "{}"):
		return errors.New("has a placeholder in its URL: write it out (the Caddyfile replaces {$NAME}, and nothing else here)")
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("is not an absolute URL: write it such as https://login.example.com/keys")
	case u.User != nil:
		return errors.New("has a user or password in its URL: remove them")
	case strings.Contains(s, "#"):
		return errors.New("has a fragment in its URL: remove it")
	}
	return outbound.RequireSecure(u)
}
