package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	securityScheme = "token"
	problemRef     = "#/components/schemas/Problem"
)

// Document is what the OpenAPI document says of an API as a whole.
type Document struct {
	Title, Version, Description string
	Tags                        []Tag
	// Security says what a credential is.
	Security string
	// Written are types that are sent, each with the type by which callers write
	// it. Both have one schema.
	Written map[reflect.Type]reflect.Type
	// Instants are the names of members that are instants.
	Instants []string
}

// Tag is a group of operations.
type Tag struct{ Name, Description string }

// configuration is the framework's, without its defaults: no pages, no links in
// responses, no formats but JSON.
func (a *API) configuration() huma.Config {
	d := &a.cfg.Document
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: d.Title, Version: d.Version, Description: d.Description},
			Components: &huma.Components{
				Schemas:  d.schemas(),
				Examples: problemExamples(a.kinds),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					securityScheme: {Type: "http", Scheme: "bearer", Description: d.Security},
				},
			},
		},
		// The second is what application/problem+json is looked up by.
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{transform},
	}
	for _, t := range d.Tags {
		c.Tags = append(c.Tags, &huma.Tag{Name: t.Name, Description: t.Description})
	}
	if a.cfg.Prefix != "" {
		c.Servers = []*huma.Server{{URL: a.cfg.Prefix}}
	}
	return c
}

// documented is the operation as the framework takes it.
func (a *API) documented(op *Operation) huma.Operation {
	doc := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Tags: []string{op.Tag},
		Summary: op.Summary, Description: op.Details, DefaultStatus: op.Status,
		Metadata: map[string]any{metadataKey: op},
		// The gate has read the body, and checked its size, before.
		MaxBodyBytes: 2 * MaxBody, BodyReadTimeout: -1,
		Responses: map[string]*huma.Response{},
		Security:  []map[string][]string{},
	}
	if op.Role != NoRole {
		doc.Security = append(doc.Security, map[string][]string{securityScheme: {}})
		doc.Description = strings.TrimSpace(op.Details + "\n\nRole: " + op.Role.String() + ".")
	}
	if op.Request != nil {
		doc.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Example: op.Request}}}
	}
	success := &huma.Response{Description: http.StatusText(op.Status)}
	switch {
	case op.Reply != nil:
		success.Content = map[string]*huma.MediaType{"application/json": {Example: op.Reply}}
		doc.Responses[strconv.Itoa(op.Status)] = success
	case op.Gives != nil:
		if success.Content = a.contents(op.Gives); op.Gives.Header != "" {
			success.Headers = headers(op.Gives.Header, op.Gives.Value)
		}
		doc.Responses[strconv.Itoa(op.Status)] = success
	}
	for _, k := range a.refusals(op) {
		documentRefusal(&doc, k)
	}
	if op.Request != nil {
		// The answer to a body that the schema does not allow has the framework's
		// status.
		k := InvalidRequest
		k.Status = http.StatusUnprocessableEntity
		documentProblem(&doc, k, exampleProblem(k))
	}
	if op.Keyed {
		doc.Parameters = append(doc.Parameters, idempotencyKey())
	}
	return doc
}

// contents are the content types of a body that the framework does not see.
func (a *API) contents(s *Streamed) map[string]*huma.MediaType {
	all := make(map[string]*huma.MediaType)
	for _, media := range s.Media {
		schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(s.Example), true, "")
		all[media] = &huma.MediaType{Schema: schema, Example: s.Example}
	}
	return all
}

// documentRefusal adds a kind of problem to the answer with its status.
func documentRefusal(op *huma.Operation, k Kind) {
	r := documentProblem(op, k, &huma.Example{Ref: "#/components/examples/" + k.Name})
	switch {
	case k == NoCredential:
		r.Headers = headers("WWW-Authenticate", "Bearer")
	case k == MethodNotAllowed:
		r.Headers = headers("Allow", "POST")
	case k.Retry:
		r.Headers = headers("Retry-After", "1")
	}
}

// documentProblem adds one to the answer with a status.
func documentProblem(op *huma.Operation, k Kind, example *huma.Example) *huma.Response {
	status := strconv.Itoa(k.Status)
	r := op.Responses[status]
	if r == nil {
		r = &huma.Response{Content: map[string]*huma.MediaType{
			problemType: {Schema: &huma.Schema{Ref: problemRef}, Examples: map[string]*huma.Example{}},
		}}
		op.Responses[status] = r
	}
	r.Description = strings.TrimPrefix(r.Description+"; "+k.Title, "; ")
	r.Content[problemType].Examples[k.Name] = example
	return r
}

// problemExamples are one of each kind.
func problemExamples(kinds []Kind) map[string]*huma.Example {
	all := make(map[string]*huma.Example)
	for _, k := range kinds {
		all[k.Name] = exampleProblem(k)
	}
	return all
}

func exampleProblem(k Kind) *huma.Example {
	return &huma.Example{Summary: k.Title, Value: Problem{
		Type: problemPrefix + k.Name, Title: k.Title, Status: k.Status,
		Detail: "What is wrong with this request.", RequestID: "4c0b3f1f6a0e4f0f9c5d2b7a8e1d3c6b",
	}}
}

func headers(name, example string) map[string]*huma.Param {
	return map[string]*huma.Param{name: {Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{example}}}}
}

func idempotencyKey() *huma.Param {
	least, most := 1, 255
	return &huma.Param{
		Name: "Idempotency-Key", In: "header",
		Description: "Makes a repeated request find the first one, for 24 hours. preview_id, max_affected and wait may differ.",
		Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most, Pattern: "^[!-~]+$"},
	}
}

// Publish completes the document of all operations that were added, and serves
// it at /openapi.json to everybody.
func (a *API) Publish() error {
	doc := a.huma.OpenAPI()
	a.cfg.Document.tidy(doc.Components.Schemas)
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	op := a.documented(&Operation{ID: "openapi", Method: http.MethodGet, Path: "/openapi.json"})
	a.router.Handle(&op, func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "application/json")
		// A client that has disconnected gets no document.
		_, _ = w.Write(append(body, '\n'))
	})
	return nil
}
