package devidp

import "slices"

// Authentication context classes. The one-time code can be phished, so there is
// no "phr" here: a request for nothing else is refused with
// unmet_authentication_requirements (RFC 9470 section 5).
const (
	ACRPassword    = "urn:curfew:pwd"
	ACRMultiFactor = "mfa"
)

// authentication is one act of signing in. What derives from it, by refresh
// too, carries it unchanged (RFC 9068 section 2.2.1).
type authentication struct {
	Subject string `json:"sub"`
	// SID stays the same when the same user signs in again in the same browser.
	SID      string   `json:"sid"`
	Device   string   `json:"device_id,omitempty"`
	AuthTime int64    `json:"auth_time"` // Unix seconds
	AMR      []string `json:"amr"`       // RFC 8176
}

// methods is the amr of a sign-in with a password, and perhaps a code.
func methods(withCode bool) []string {
	if withCode {
		return []string{"pwd", "otp", "mfa"}
	}
	return []string{"pwd"}
}

// acr is the class to assert: the first of the requested ones that the
// authentication reaches, or the strongest when none was requested. False: it
// reaches none of them.
func (a authentication) acr(requested []string) (string, bool) {
	reached := []string{ACRPassword}
	if slices.Contains(a.AMR, "mfa") {
		reached = []string{ACRMultiFactor, ACRPassword}
	}
	if len(requested) == 0 {
		return reached[0], true
	}
	for _, class := range requested {
		if slices.Contains(reached, class) {
			return class, true
		}
	}
	return "", false
}
