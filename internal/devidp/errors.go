package devidp

import "errors"

// ErrRefused is returned by [SignIn] if the provider shows the sign-in page
// again: the user or password was wrong, or the one-time code was wrong or
// missing.
var ErrRefused = errors.New("the sign-in was refused: check user, password and one-time code")

// Error is a refusal of the protocol: RFC 6749 sections 4.1.2.1 and 5.2, OpenID
// Connect Core section 3.1.2.6, RFC 9470 section 5.
type Error struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (e *Error) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return e.Code + ": " + e.Description
}

func invalidRequest(description string) *Error { return &Error{"invalid_request", description} }

func invalidGrant(description string) *Error { return &Error{"invalid_grant", description} }
