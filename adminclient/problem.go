package adminclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/internal/printable"
)

// Problem is a refusal or failure as the gateway tells it (RFC 9457). Its text
// has one line for the kind of problem and one for each detail, and is safe for a
// terminal.
type Problem struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"-"`
	Detail    string       `json:"detail"`
	Errors    []FieldError `json:"errors"`
	RequestID string       `json:"request_id"`

	Raw        []byte        `json:"-"` // as it came
	RetryAfter time.Duration `json:"-"` // negative: not said
}

// FieldError says which part of a request is wrong (RFC 6901), and why.
type FieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// The problems that decide whether a request is sent again.
const (
	typeOutcomeUnknown = "urn:curfew:outcome-unknown"
	typeInProgress     = "urn:curfew:idempotency-in-progress"
)

// problemOf reads the body of an error answer. Caddy's own endpoint answers
// with {"error": …}.
func problemOf(status int, header http.Header, body []byte) *Problem {
	p := &Problem{Raw: body}
	if json.Unmarshal(body, p) != nil || p.Title == "" {
		var caddy struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(body, &caddy) // a body that isn't JSON is left out
		p.Title, p.Detail = fmt.Sprintf("Caddy answered %d %s", status, http.StatusText(status)), caddy.Error
		if status == http.StatusNotFound {
			p.Detail = "this Caddy has no Curfew: is it built with the module, and is `curfew` in its configuration?"
		}
	}
	p.Status = status
	p.RetryAfter = retryAfterOf(header)
	return p
}

// Error gives the kind of problem, the reason and the mend.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(printable.Text(p.Title))
	if p.Detail != "" && !p.repeated() {
		fmt.Fprintf(&b, "\n  %s", printable.Text(p.Detail))
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s", strings.TrimPrefix(printable.Text(e.Pointer)+": "+printable.Text(e.Detail), ": "))
	}
	if p.RequestID != "" {
		fmt.Fprintf(&b, "\n  (%s, request %s)", printable.Text(strings.TrimPrefix(p.Type, "urn:curfew:")), printable.Text(p.RequestID))
	}
	return b.String()
}

// brief is the detail, or else the kind of problem.
func (p *Problem) brief() string {
	if p.Detail != "" {
		return printable.Text(p.Detail)
	}
	if kind := strings.TrimPrefix(p.Type, "urn:curfew:"); kind != "" {
		return printable.Text(kind)
	}
	return printable.Text(p.Title)
}

// repeated reports whether one of the errors says all that the detail says.
func (p *Problem) repeated() bool {
	return slices.ContainsFunc(p.Errors, func(e FieldError) bool { return strings.HasSuffix(p.Detail, e.Detail) })
}

// Retryable reports whether the same request with the same idempotency key may
// go better soon.
func (p *Problem) Retryable() bool {
	return p.Status == http.StatusServiceUnavailable || p.Type == typeInProgress
}

// doubtful reports whether what was asked may have been done all the same: the
// gateway says so, or broke while it was at it.
func (p *Problem) doubtful() bool {
	switch p.Status {
	case http.StatusNotImplemented:
		return false
	case http.StatusServiceUnavailable, http.StatusConflict:
		return p.Type == typeOutcomeUnknown || p.Type == typeInProgress
	}
	return p.Status >= http.StatusInternalServerError
}
