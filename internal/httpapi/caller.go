package httpapi

import (
	"errors"
	"fmt"
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

// Caller makes a request.
type Caller struct {
	// Name is the actor in records and audit lines: a configured name, never
	// something that the caller chose.
	Name string
	Role Role
	// Source is "admin" or "cli".
	Source string
}

// callerKey tells callers apart.
type callerKey struct{ source, name string }

func (c Caller) key() callerKey { return callerKey{c.Source, c.Name} }

// ErrNoCredential is the error of Authenticate for a request without any
// credential.
var ErrNoCredential = errors.New("no credential")
