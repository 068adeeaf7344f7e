package admin

import (
	"net/http"

	"curfew.dev/curfew/internal/httpapi"
)

// Role says what a caller may do. Each role includes the smaller ones.
type Role = httpapi.Role

// Caller makes a request.
type Caller = httpapi.Caller

// The roles.
const (
	NoRole     = httpapi.NoRole
	Read       = httpapi.Read
	Write      = httpapi.Write
	BreakGlass = httpapi.BreakGlass
)

// ErrNoCredential is the error of Config.Authenticate for a request without any
// credential.
var ErrNoCredential = httpapi.ErrNoCredential

// Local lets everybody in, as "cli" with every role. It is for Caddy's own admin
// endpoint only: whoever reaches that endpoint can load any configuration.
func Local(*http.Request) (Caller, error) {
	return Caller{Name: "cli", Role: BreakGlass, Source: "cli"}, nil
}
