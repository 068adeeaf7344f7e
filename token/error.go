package token

import (
	"errors"
	"fmt"
)

// Kind is the kind of a refusal. It decides which answer the request gets.
type Kind uint8

// The kinds of refusal, with their answers.
const (
	// Invalid is 401 invalid_token: present, and not acceptable.
	Invalid Kind = iota
	// Missing is 401 without an error code: there is no credential.
	Missing
	// Ambiguous is 400 invalid_request: there is more than one.
	Ambiguous
	// NotReady is 503: the issuer's keys are not known, or too old to trust.
	NotReady
)

var kindNames = [...]string{"invalid", "missing", "ambiguous", "not ready"}

// String names the kind in messages.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[Invalid]
	}
	return kindNames[k]
}

// Error is why a token was refused. Detail is for logs: it is one of a fixed
// set of sentences, which may name a claim that is known or configured. It holds
// nothing of the token.
type Error struct {
	Kind   Kind
	Detail string
	// Issuer is the configured one that the token names, for logs; empty where
	// it names none.
	Issuer string
	// Client is the token's, for logs; empty unless the issuer signed it.
	Client string
}

func (e *Error) Error() string { return fmt.Sprintf("%s token: %s", e.Kind, e.Detail) }

// about is the error with the issuer of the token. It copies: the error itself
// may be shared by many tokens.
func about(err error, issuer string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Issuer = issuer
	return &named
}

func invalid(detail string) *Error   { return &Error{Kind: Invalid, Detail: detail} }
func ambiguous(detail string) *Error { return &Error{Kind: Ambiguous, Detail: detail} }
