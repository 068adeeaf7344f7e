package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Version is the version of the API.
const Version = "1.0.0"

const (
	securityScheme = "token"
	problemRef     = "#/components/schemas/Problem"
)

// configuration is the framework's, with nothing of its defaults: no pages, no
// links into responses, no formats but JSON.
func configuration(prefix string) huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Curfew admin API", Version: Version,
				Description: "Sign out everywhere, at the edge. A 2xx to a write is sent once the record is durable and in force on " +
					"the node that answers; the receipt says where else. Identifiers travel in bodies, never in URLs. Unknown, " +
					"duplicate and case-variant members are refused.",
			},
			Tags: []*huma.Tag{
				{Name: "Revocations", Description: "Cuts: refuse what is from before an instant"},
				{Name: "Devices", Description: "Devices of an account"},
				{Name: "Sessions", Description: "What a node has seen of an account"},
				{Name: "Blocks", Description: "Refuse until lifted"},
				{Name: "Step-ups", Description: "Demand a new authentication"},
				{Name: "Gateway", Description: "What the gateway knows"},
			},
			Components: &huma.Components{
				Schemas:  schemas(),
				Examples: problemExamples(),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					securityScheme: {Type: "http", Scheme: "bearer", Description: "A configured token; its role is read, write or break_glass. Not needed on Caddy's own admin endpoint."},
				},
			},
		},
		// The second is what application/problem+json is looked up by.
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{transform},
	}
	if prefix != "" {
		c.Servers = []*huma.Server{{URL: prefix}}
	}
	return c
}

// documentRefusal adds a kind of problem to the answer with its status.
func documentRefusal(op *huma.Operation, k kind) {
	row := kinds[k]
	r := documentProblem(op, row.status, row.title, row.name, &huma.Example{Ref: "#/components/examples/" + row.name})
	switch k {
	case noCredential:
		r.Headers = headers("WWW-Authenticate", "Bearer")
	case methodNotAllowed:
		r.Headers = headers("Allow", "POST")
	case inProgress, tooMany, ledgerUnavailable, outcomeUnknown, ledgerDamaged, noMemory:
		r.Headers = headers("Retry-After", "1")
	}
}

// documentSchema adds the answer to a body that the schema does not allow: an
// invalid request, with the framework's status.
func documentSchema(op *huma.Operation) {
	row := kinds[invalidRequest]
	documentProblem(op, http.StatusUnprocessableEntity, row.title, row.name, exampleProblem(row.name, row.title, http.StatusUnprocessableEntity))
}

// documentProblem adds one to the answer with a status.
func documentProblem(op *huma.Operation, status int, title, name string, example *huma.Example) *huma.Response {
	r := op.Responses[strconv.Itoa(status)]
	if r == nil {
		r = &huma.Response{Content: map[string]*huma.MediaType{
			problemType: {Schema: &huma.Schema{Ref: problemRef}, Examples: map[string]*huma.Example{}},
		}}
		op.Responses[strconv.Itoa(status)] = r
	}
	r.Description = strings.TrimPrefix(r.Description+"; "+title, "; ")
	r.Content[problemType].Examples[name] = example
	return r
}

// problemExamples are one of each kind.
func problemExamples() map[string]*huma.Example {
	all := make(map[string]*huma.Example)
	for _, row := range kinds {
		all[row.name] = exampleProblem(row.name, row.title, row.status)
	}
	return all
}

func exampleProblem(name, title string, status int) *huma.Example {
	return &huma.Example{Summary: title, Value: Problem{
		Type: problemPrefix + name, Title: title, Status: status,
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

// publish completes the document and serves it.
func (a *api) publish(to huma.API) error {
	doc := to.OpenAPI()
	a.documentStreams(doc)
	tidy(doc.Components.Schemas)
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	own := operation{id: "openapi", method: http.MethodGet, path: "/openapi.json"}
	op := own.documented()
	a.router.Handle(&op, func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "application/json")
		// Who hung up gets no document.
		_, _ = w.Write(append(body, '\n'))
	})
	return nil
}

// documentStreams says what the framework can't know: what streams consist of.
func (a *api) documentStreams(doc *huma.OpenAPI) {
	imports := doc.Paths["/v1/revocations/import"].Post
	imports.RequestBody = &huma.RequestBody{Required: true, Content: make(map[string]*huma.MediaType)}
	for _, media := range lineTypes {
		imports.RequestBody.Content[media] = &huma.MediaType{Schema: schemaOf[revocationRequest](doc), Example: exampleRequest}
	}
	imports.Responses["200"].Headers = headers("Idempotent-Replayed", "true")
	imports.Responses["200"].Content = map[string]*huma.MediaType{
		lineTypes[0]: {Schema: schemaOf[imported](doc), Example: exampleImported},
	}
	doc.Paths["/v1/events"].Get.Responses["200"].Content = map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}, Example: exampleEvents},
	}
}

// tidy takes out the framework's own error schema, which is never sent, and
// corrects what Go's types can't say: no array is ever null, which strings are
// instants, and that answers may grow members while requests may not.
func tidy(schemas huma.Registry) {
	all := schemas.Map()
	delete(all, "ErrorModel")
	delete(all, "ErrorDetail")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != "Target" && !strings.HasSuffix(name, "Request") {
			all[name].AdditionalProperties = nil
		}
		for member, s := range all[name].Properties {
			if s.Type == huma.TypeArray {
				s.Nullable = false
			}
			switch member {
			case "at", "enforced_at", "enforced_by", "expires_at", "last_heard", "signed_in", "first_seen", "last_seen":
				s.Format = "date-time"
			}
		}
	}
}
