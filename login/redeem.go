package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"curfew.dev/curfew/internal/strictjson"
	"curfew.dev/curfew/token"
)

// errNonce is the error for an ID token of another attempt.
var errNonce = errors.New("the nonce is another one")

// redeem makes the facts of a session from a code. They are not judged yet.
func (s *SignIn) redeem(ctx context.Context, e *endpoints, c *arrival) (*facts, error) {
	redirectURI, ok := s.redirectURI(c.host)
	if !ok {
		return nil, errors.New("the host does not sign in here")
	}
	got, err := s.provider.exchange(ctx, e, redirectURI, c.query.Get("code"), c.attempt.verifier(c.state.ID), c.now)
	if err != nil {
		return nil, err
	}
	now := s.all.deps.Now() // the token may be younger than the request
	opened, err := s.all.deps.OpenToken(ctx, got.id, now)
	if err != nil {
		return nil, fmt.Errorf("the ID token: %w", err)
	}
	if opened.Issuer() != s.config.Issuer.URL {
		return nil, fmt.Errorf("%w: the ID token is of another issuer", errProvider)
	}
	if nonce, _ := opened.Claim("nonce").Text(); nonce != c.state.Nonce {
		return nil, errNonce
	}
	t, err := opened.SignIn(s.config.ClientID, now)
	if err != nil {
		return nil, fmt.Errorf("the ID token: %w", err)
	}
	claims, err := s.claims(ctx, e, opened, got.access)
	if err != nil {
		return nil, err
	}
	id := &t.Credential
	f := &facts{
		SignIn: s.config.Name, Issuer: id.Issuer, Subject: id.Subject, Client: s.config.ClientID,
		ID: "cs_" + newSecret(16), SID: id.Session, Device: id.Device, Tenant: id.Tenant, KeyID: id.KeyID,
		IssuedAt: id.IssuedAt, AuthTime: id.AuthTime, Expires: c.now.Unix() + int64(s.config.lifetime()/time.Second), Sealed: c.now.Unix(),
		ACR: id.ACR, AMR: id.AMR, Scope: got.scope, Person: person(opened), Claims: claims,
	}
	if f.Device == "" {
		f.Device = c.device
	}
	return f, nil
}

// claims are what the configuration names, from the ID token or else from the
// userinfo endpoint. A claim that neither sends is kept as absent.
func (s *SignIn) claims(ctx context.Context, e *endpoints, opened *token.Opened, access string) ([]sealedClaim, error) {
	missing := slices.ContainsFunc(s.config.Claims, func(c Claim) bool { return opened.Claim(c.Name) == "" })
	var more strictjson.Object
	if missing && e.userinfo != "" {
		var err error
		if more, err = s.provider.person(ctx, e, access, opened.Claim("sub")); err != nil {
			return nil, err
		}
	}
	var all []sealedClaim
	for i := range s.config.Claims {
		c := &s.config.Claims[i]
		v := opened.Claim(c.Name)
		if v == "" {
			v = more.Value(c.Name)
		}
		all = append(all, c.seal(v))
	}
	return all, nil
}

const maxPerson = 100 // bytes

// person is what the provider calls somebody, for pages only.
func person(o *token.Opened) string {
	for _, name := range []string{"name", "preferred_username", "email"} {
		text, _ := o.Claim(name).Text()
		text = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return -1
		}, text)
		for len(text) > maxPerson {
			_, size := utf8.DecodeLastRuneInString(text)
			text = text[:len(text)-size]
		}
		if text != "" {
			return text
		}
	}
	return ""
}
