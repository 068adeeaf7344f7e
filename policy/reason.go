package policy

// Reason says why a request was refused, or that it was not.
type Reason uint8

// The reasons, gravest first among those that can apply together.
const (
	Admitted Reason = iota
	NotReady
	Stale
	NoCredential
	AmbiguousCredential
	CrossSite
	InvalidToken
	Blocked
	SignedOut
	Revoked
	StepUpRequired
	InsufficientScope
	ClaimMissing

	numReasons
)

// answer is how a refusal looks from outside: a row of section 7.
type answer struct {
	name   string // of the problem type, and the metrics label
	status int
	code   string // of WWW-Authenticate, empty: none
	title  string
}

var answers = [numReasons]answer{
	Admitted:            {"admitted", 200, "", ""},
	NotReady:            {"not-ready", 503, "", "This gateway is not ready to check credentials yet"},
	Stale:               {"stale", 503, "", "This gateway can't prove that it knows every revocation"},
	NoCredential:        {"no-credential", 401, "", "A credential is required"},
	AmbiguousCredential: {"ambiguous-credential", 400, "invalid_request", "The request carries more than one credential, or one in the wrong place"},
	CrossSite:           {"cross-site", 403, "", "A page of another site has sent this, so nothing was done"},
	InvalidToken:        {"invalid-token", 401, "invalid_token", "The access token is not valid here"},
	Blocked:             {"blocked", 403, "", "Access is blocked"},
	SignedOut:           {"signed-out", 401, "insufficient_user_authentication", "The session was signed out; sign in again"},
	Revoked:             {"revoked", 401, "invalid_token", "The access token was revoked"},
	StepUpRequired:      {"step-up-required", 401, "insufficient_user_authentication", "A stronger or more recent sign-in is required"},
	InsufficientScope:   {"insufficient-scope", 403, "insufficient_scope", "The access token does not cover this"},
	ClaimMissing:        {"claim-missing", 403, "", "The account does not have what this route asks for"},
}

// String is the reason's label in metrics, logs and problem types.
func (r Reason) String() string { return answers[r].name }

// ProblemType is the RFC 9457 type, a URN.
func (r Reason) ProblemType() string { return "urn:curfew:" + answers[r].name }

// Status is the HTTP status of the refusal.
func (r Reason) Status() int { return answers[r].status }

// Code is the error code of the WWW-Authenticate challenge (RFC 6750 section
// 3.1, RFC 9470 section 3). It is empty where the challenge carries none.
func (r Reason) Code() string { return answers[r].code }

// Challenges reports whether the refusal carries a WWW-Authenticate header.
func (r Reason) Challenges() bool { return r == NoCredential || answers[r].code != "" }

// Title is one sentence for people.
func (r Reason) Title() string { return answers[r].title }

// Reasons lists every reason for a refusal.
func Reasons() []Reason {
	var all []Reason
	for r := Admitted + 1; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}
