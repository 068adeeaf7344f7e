package devidp

import "slices"

// Authentication context classes. There is no "phr" (phishing-resistant),
// because the one-time code can be phished. A request that accepts only other
// classes is refused with unmet_authentication_requirements (RFC 9470 section
// 5).
const (
	ACRPassword    = "urn:curfew:pwd"
	ACRMultiFactor = "mfa"
)

// authentication is one sign-in. The tokens that derive from it carry it
// unchanged, also after a refresh (RFC 9068 section 2.2.1).
type authentication struct {
	Subject string `json:"sub"`
	// SID stays the same when the same user signs in again in the same browser.
	SID      string   `json:"sid"`
	Device   string   `json:"device_id,omitempty"`
	AuthTime int64    `json:"auth_time"` // Unix seconds
	AMR      []string `json:"amr"`       // RFC 8176
}

// methods returns the amr of a sign-in with a password, and possibly with a
// code.
func methods(withCode bool) []string {
	if withCode {
		return []string{"pwd", "otp", "mfa"}
	}
	return []string{"pwd"}
}

// acr returns the class to assert: the first requested class that the
// authentication reaches, or the strongest class if none was requested. It
// returns false if the authentication reaches no requested class.
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
