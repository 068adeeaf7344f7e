package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// problem is a refusal or failure as the gateway tells it (RFC 9457).
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"-"`
	Detail    string         `json:"detail"`
	Errors    []problemError `json:"errors"`
	RequestID string         `json:"request_id"`

	raw        []byte        // as it came
	retryAfter time.Duration // negative: not said
}

type problemError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// The problems that the command line does something about.
const (
	typeOutcomeUnknown = "urn:curfew:outcome-unknown"
	typeInProgress     = "urn:curfew:idempotency-in-progress"
)

// problemOf reads the body of an error answer. Caddy's own endpoint answers
// with {"error": …}.
func problemOf(status int, header http.Header, body []byte) *problem {
	p := &problem{raw: body}
	if json.Unmarshal(body, p) != nil || p.Title == "" {
		var caddy struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(body, &caddy) // what isn't JSON has nothing to say
		p.Title, p.Detail = fmt.Sprintf("Caddy answered %d %s", status, http.StatusText(status)), caddy.Error
		if status == http.StatusNotFound {
			p.Detail = "this Caddy has no Curfew: is it built with the module, and is `curfew` in its configuration?"
		}
	}
	p.Status = status
	p.retryAfter = retryAfterOf(header)
	return p
}

// Error is for the person at the terminal: what, why and the mend.
func (p *problem) Error() string {
	var b strings.Builder
	b.WriteString(printable(p.Title))
	if p.Detail != "" && !p.repeated() {
		fmt.Fprintf(&b, "\n  %s", printable(p.Detail))
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s", strings.TrimPrefix(printable(e.Pointer)+": "+printable(e.Detail), ": "))
	}
	if p.RequestID != "" {
		fmt.Fprintf(&b, "\n  (%s, request %s)", printable(strings.TrimPrefix(p.Type, "urn:curfew:")), printable(p.RequestID))
	}
	return b.String()
}

// brief is the detail, or else the kind of problem.
func (p *problem) brief() string {
	if p.Detail != "" {
		return printable(p.Detail)
	}
	if kind := strings.TrimPrefix(p.Type, "urn:curfew:"); kind != "" {
		return printable(kind)
	}
	return printable(p.Title)
}

// repeated reports whether one of the errors says all that the detail says.
func (p *problem) repeated() bool {
	return slices.ContainsFunc(p.Errors, func(e problemError) bool { return strings.HasSuffix(p.Detail, e.Detail) })
}

// retryable reports whether the same request with the same idempotency key may
// go better soon.
func (p *problem) retryable() bool {
	return p.Status == http.StatusServiceUnavailable || p.Type == typeInProgress
}

// doubtful reports whether what was asked may have been done all the same: the
// gateway says so, or broke while it was at it.
func (p *problem) doubtful() bool {
	switch p.Status {
	case http.StatusNotImplemented:
		return false
	case http.StatusServiceUnavailable, http.StatusConflict:
		return p.Type == typeOutcomeUnknown || p.Type == typeInProgress
	}
	return p.Status >= http.StatusInternalServerError
}
