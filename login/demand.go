package login

import "time"

// SignInPath is where a page sends a browser to sign in.
const SignInPath = "/.curfew/sign-in"

// Demand is what a sign-in must bring.
type Demand struct {
	// ACR and AMR are groups of which each must be met by any of its values.
	ACR, AMR [][]string
	// MaxAge is how long before the start of the attempt the person may have
	// signed in at the provider; nil: the lifetime of the session.
	MaxAge *time.Duration
	// Ask is the max_age that the provider is asked for, if it is smaller; nil:
	// none. The index judges what comes back.
	Ask *time.Duration
	// Prompt is login or select_account; empty: the provider decides.
	Prompt string
	// Of is the session that is to be stepped up: the subject must not change.
	// Nil: anybody may sign in.
	Of *Session
	// Return is the path and query to return to; empty: those of the request.
	Return string
}

// Path is the sign_in member of a problem: [SignInPath] with the demand. A script
// adds return.
func (d *Demand) Path() string { return SignInPath }
