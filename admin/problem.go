package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is a refusal as RFC 9457 has it.
type Problem struct {
	Type      string       `json:"type" doc:"A URN that names the kind of problem" example:"urn:curfew:invalid-target"`
	Title     string       `json:"title" doc:"The kind of problem, for people"`
	Status    int          `json:"status" doc:"The HTTP status" example:"422"`
	Detail    string       `json:"detail,omitempty" doc:"What is wrong with this request, and the mend"`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"Where in the body, as far as it can be told"`
	RequestID string       `json:"request_id" doc:"Names the request in the audit; also in X-Request-Id"`

	header http.Header
}

// FieldError is one thing that is wrong with a body.
type FieldError struct {
	Pointer string `json:"pointer" doc:"JSON pointer (RFC 6901) into the body; empty for all of it" example:"/target/sub"`
	Detail  string `json:"detail" doc:"What is wrong there"`
}

// String is the pointer and the detail.
func (e FieldError) String() string {
	if e.Pointer == "" {
		return e.Detail
	}
	return e.Pointer + ": " + e.Detail
}

// Error is the detail.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are sent with the problem.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is that of RFC 9457, whatever the client prefers.
func (p *Problem) ContentType(string) string { return problemType }

const (
	problemType   = "application/problem+json"
	problemPrefix = "urn:curfew:"
)

// kind is a kind of problem: a row of the table below.
type kind uint8

const (
	invalidRequest kind = iota
	noCredential
	invalidToken
	crossSite
	forbidden
	notFound
	methodNotAllowed
	previewRequired
	previewExceeded
	inProgress
	positionGone
	tooLarge
	unsupportedType
	invalidTarget
	unknownIssuer
	unenforceable
	invalidMode
	unknownPolicy
	keyReused
	tooMany
	internalError
	notAvailable
	ledgerUnavailable
	outcomeUnknown
	ledgerDamaged
	noMemory
)

var kinds = [...]struct {
	name   string
	status int
	title  string
}{
	invalidRequest:    {"invalid-request", 400, "The request is not valid"},
	noCredential:      {"no-credential", 401, "A credential is required"},
	invalidToken:      {"invalid-token", 401, "The credential is not valid here"},
	crossSite:         {"cross-site", 403, "The request comes from another site"},
	forbidden:         {"forbidden", 403, "The caller's role is too small"},
	notFound:          {"not-found", 404, "There is no such thing here"},
	methodNotAllowed:  {"method-not-allowed", 405, "The method is not allowed here"},
	previewRequired:   {"preview-required", 409, "A current preview of this request is required"},
	previewExceeded:   {"preview-exceeded", 409, "The request would hit more accounts than it may"},
	inProgress:        {"idempotency-in-progress", 409, "A request with this Idempotency-Key is still running"},
	positionGone:      {"position-gone", 410, "Events can't be resumed from this position"},
	tooLarge:          {"too-large", 413, "The request is too large"},
	unsupportedType:   {"unsupported-media-type", 415, "The body has the wrong content type"},
	invalidTarget:     {"invalid-target", 422, "The target is not one that exists"},
	unknownIssuer:     {"unknown-issuer", 422, "The issuer is not configured"},
	unenforceable:     {"unenforceable", 422, "The target can't be enforced"},
	invalidMode:       {"invalid-mode", 422, "The mode does not fit the target"},
	unknownPolicy:     {"unknown-policy", 422, "The policy is not configured"},
	keyReused:         {"idempotency-key-reused", 422, "The Idempotency-Key was used for another request"},
	tooMany:           {"too-many-requests", 429, "The caller asks for too much at once"},
	internalError:     {"internal", 500, "Something went wrong here"},
	notAvailable:      {"not-available", 501, "This gateway does not offer that"},
	ledgerUnavailable: {"ledger-unavailable", 503, "The ledger can't be used now; nothing was changed"},
	outcomeUnknown:    {"outcome-unknown", 503, "The request may or may not have taken effect"},
	ledgerDamaged:     {"ledger-damaged", 503, "The ledger failed its integrity checks"},
	noMemory:          {"no-memory", 507, "The gateway has no memory for more; nothing was changed"},
}

// because makes the problem.
func (k kind) because(format string, args ...any) *Problem {
	row := kinds[k]
	return &Problem{Type: problemPrefix + row.name, Title: row.title, Status: row.status, Detail: fmt.Sprintf(format, args...)}
}

// at makes the problem about one place of the body.
func (k kind) at(pointer, format string, args ...any) *Problem {
	p := k.because(format, args...)
	p.Errors = []FieldError{{pointer, p.Detail}}
	p.Detail = p.Errors[0].String()
	return p
}

// with adds a header.
func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = make(http.Header)
	}
	p.header.Set(name, value)
	return p
}

// retryAfter is in seconds.
func (p *Problem) retryAfter(seconds int) *Problem {
	return p.with("Retry-After", strconv.Itoa(seconds))
}

// name is the type without its prefix.
func (p *Problem) name() string { return strings.TrimPrefix(p.Type, problemPrefix) }

// write answers a request that no operation has seen.
func (p *Problem) write(w http.ResponseWriter, c *call) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p.of(c)) // strings and numbers
	w.Header().Set("Content-Type", problemType)
	// With its length the client knows the end of the answer before that of the
	// connection.
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	// Who hung up gets no answer; the audit line says what it was.
	_, _ = w.Write(body.Bytes())
}

// of is the problem as that call's answer.
func (p *Problem) of(c *call) *Problem {
	c.problem = p.name()
	mine := *p
	mine.RequestID = c.id
	return &mine
}

// transform gives the framework's own errors our shape. It is part of one
// handler's configuration: the framework's global hook would be shared by all.
func transform(ctx huma.Context, _ string, v any) (any, error) {
	switch v := v.(type) {
	case *huma.ErrorModel:
		return ours(v).of(callOf(ctx.Context())), nil
	case *Problem:
		return v.of(callOf(ctx.Context())), nil
	}
	return v, nil
}

// ours drops the values that the framework repeats: one may be a token.
func ours(m *huma.ErrorModel) *Problem {
	if m.Status >= http.StatusInternalServerError {
		return internalError.because("the gateway's log says more")
	}
	p := invalidRequest.because("%s", m.Detail)
	p.Status = m.Status
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, FieldError{pointerOf(e.Location), e.Message})
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].String()
	}
	return p
}

// pointerOf turns body.acr[0] into /acr/0.
func pointerOf(location string) string {
	rest, ok := strings.CutPrefix(location, "body.")
	if !ok {
		return ""
	}
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(rest)
}
