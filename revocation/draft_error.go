package revocation

import "fmt"

// Fault classifies the errors of drafts. Each way in maps it to its own answer,
// such as a problem type of the admin API.
type Fault uint8

// The faults.
const (
	// InvalidTarget: the members of the target can't be combined, or one of
	// them is too long or not UTF-8.
	InvalidTarget Fault = iota + 1
	// UnknownIssuer: no issuer of this name is configured.
	UnknownIssuer
	// Unenforceable: no token of the issuer can match the target.
	Unenforceable
	// InvalidMode: the mode means nothing for this kind of target.
	InvalidMode
	// InvalidValue: another member has a value that it can't have.
	InvalidValue
)

// DraftError says why a draft can't become a record.
type DraftError struct {
	Fault Fault
	// Member is the member at fault, as the admin API names it; a dot separates
	// a member of the target, such as target.device_id. Empty: no single one.
	Member string
	// Detail says what is wrong with the member and how to mend it. It holds no
	// identifier of a person.
	Detail string
}

// Error is the member and the detail.
func (e *DraftError) Error() string {
	if e.Member == "" {
		return e.Detail
	}
	return e.Member + ": " + e.Detail
}

func refuse(f Fault, member, format string, args ...any) error {
	return &DraftError{f, member, fmt.Sprintf(format, args...)}
}
