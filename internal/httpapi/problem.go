package httpapi

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

// Kind is a kind of problem. The kinds of one API have different names.
type Kind struct {
	Name   string // of the type, without its prefix
	Status int
	Title  string
	// Retry says that its answers carry Retry-After.
	Retry bool
}

// The kinds of problem that every API has.
var (
	InvalidRequest   = Kind{Name: "invalid-request", Status: 400, Title: "The request is not valid"}
	NoCredential     = Kind{Name: "no-credential", Status: 401, Title: "A credential is required"}
	InvalidToken     = Kind{Name: "invalid-token", Status: 401, Title: "The credential is not valid here"}
	CrossSite        = Kind{Name: "cross-site", Status: 403, Title: "The request comes from another site"}
	Forbidden        = Kind{Name: "forbidden", Status: 403, Title: "The caller's role is too small"}
	NotFound         = Kind{Name: "not-found", Status: 404, Title: "There is no such thing here"}
	MethodNotAllowed = Kind{Name: "method-not-allowed", Status: 405, Title: "The method is not allowed here"}
	TooLarge         = Kind{Name: "too-large", Status: 413, Title: "The request is too large"}
	UnsupportedType  = Kind{Name: "unsupported-media-type", Status: 415, Title: "The body has the wrong content type"}
	TooMany          = Kind{Name: "too-many-requests", Status: 429, Title: "The caller asks for too much at once", Retry: true}
	Internal         = Kind{Name: "internal", Status: 500, Title: "Something went wrong here"}
	NotAvailable     = Kind{Name: "not-available", Status: 501, Title: "This gateway does not offer that"}
)

func everyAPIHas() []Kind {
	return []Kind{
		InvalidRequest, NoCredential, InvalidToken, CrossSite, Forbidden, NotFound, MethodNotAllowed, TooLarge, UnsupportedType, TooMany,
		Internal, NotAvailable,
	}
}

// Because makes the problem.
func (k Kind) Because(format string, args ...any) *Problem {
	return &Problem{Type: problemPrefix + k.Name, Title: k.Title, Status: k.Status, Detail: fmt.Sprintf(format, args...)}
}

// At makes the problem about one place of the body.
func (k Kind) At(pointer, format string, args ...any) *Problem {
	p := k.Because(format, args...)
	p.Errors = []FieldError{{pointer, p.Detail}}
	p.Detail = p.Errors[0].String()
	return p
}

// With adds a header.
func (p *Problem) With(name, value string) *Problem {
	if p.header == nil {
		p.header = make(http.Header)
	}
	p.header.Set(name, value)
	return p
}

// RetryAfter adds a Retry-After in seconds.
func (p *Problem) RetryAfter(seconds int) *Problem {
	return p.With("Retry-After", strconv.Itoa(seconds))
}

// Name is the name of the kind, which the type ends in.
func (p *Problem) Name() string { return strings.TrimPrefix(p.Type, problemPrefix) }

// Refuse answers the call with a problem. An operation that returns one does not
// need it; a [Stream] does, before it has answered.
func (c *Call) Refuse(p *Problem) {
	w := c.Writer
	for name, values := range p.header {
		w.Header()[name] = values
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(c.Note(p)) // strings and numbers
	w.Header().Set("Content-Type", problemType)
	// The length tells the client where the answer ends, even if the connection
	// stays open for a moment.
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	// A client that has disconnected gets no answer; the audit line has the problem.
	_, _ = w.Write(body.Bytes())
}

// Note puts the problem into the call's audit line, and returns it with the id
// of the request.
func (c *Call) Note(p *Problem) *Problem {
	c.problem = p.Name()
	mine := *p
	mine.RequestID = c.ID
	return &mine
}

// transform gives the framework's own errors our shape. It is part of one
// handler's configuration: the framework's global hook would be shared by all.
func transform(ctx huma.Context, _ string, v any) (any, error) {
	switch v := v.(type) {
	case *huma.ErrorModel:
		return callOf(ctx.Context()).Note(ours(v)), nil
	case *Problem:
		return callOf(ctx.Context()).Note(v), nil
	}
	return v, nil
}

// ours drops the values that the framework repeats: one may be a token.
func ours(m *huma.ErrorModel) *Problem {
	if m.Status >= http.StatusInternalServerError {
		return Internal.Because("the gateway's log says more")
	}
	p := InvalidRequest.Because("%s", m.Detail)
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
