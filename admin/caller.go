package admin

import (
	"errors"
	"fmt"
	"net/http"
)

// Role says what a caller may do. Each role includes the smaller ones; the zero
// Role may do nothing.
type Role uint8

// The roles.
const (
	NoRole Role = iota
	// Read: every GET, search, preview and explain.
	Read
	// Write: one account, one session, one token or key.
	Write
	// BreakGlass: everything wider, after a preview.
	BreakGlass
)

var roleNames = [...]string{"none", "read", "write", "break_glass"}

// String is the role's name in configurations and messages.
func (r Role) String() string {
	if int(r) >= len(roleNames) {
		return roleNames[NoRole]
	}
	return roleNames[r]
}

// ParseRole reads the name of a role that may do something.
func ParseRole(s string) (Role, error) {
	for r := Read; r <= BreakGlass; r++ {
		if roleNames[r] == s {
			return r, nil
		}
	}
	return NoRole, fmt.Errorf("%q is not a role: want read, write or break_glass", s)
}

// Caller is who makes a request.
type Caller struct {
	// Name is the actor in records and audit lines: a configured name, never
	// something that the caller chose.
	Name string
	Role Role
	// Source is "admin" or "cli".
	Source string
}

// Local lets everybody in, as "cli" with every role. It is for Caddy's own
// admin endpoint only: who reaches that one can load any configuration.
func Local(*http.Request) (Caller, error) {
	return Caller{Name: "cli", Role: BreakGlass, Source: "cli"}, nil
}

// ErrNoCredential is what an Authenticate returns when the request carries no
// credential at all.
var ErrNoCredential = errors.New("no credential")
