package admin

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"curfew.dev/curfew/internal/strictjson"
)

// operation is what the gate and the document need to know of a route.
type operation struct {
	id, method, path string
	summary, details string
	tag              string
	role             Role // the least that may call it; NoRole: nobody is asked
	status           int  // of success
	refusals         []kind
	request, reply   any // examples; nil where there is none

	shape   *strictjson.Shape // of the body; nil: it takes none
	streams bool              // the body is read by the operation
	asks    bool              // it costs something that is bounded for each caller
}

// bodyOf is the input of an operation that takes JSON.
type bodyOf[T any] struct {
	Body T `required:"true"`
}

// replyOf is the output of an operation that answers JSON.
type replyOf[T any] struct{ Body T }

// stream is the output of an operation that writes for itself.
type stream = huma.StreamResponse

func streamOf(run func()) *stream {
	return &stream{Body: func(huma.Context) { run() }}
}

// metadataKey is where a framework operation keeps ours.
const metadataKey = "operation"

func operationOf(op *huma.Operation) *operation { return op.Metadata[metadataKey].(*operation) }

// add registers an operation with its handler, its document and what the gate
// asks of it.
func add[I, O any](to huma.API, op operation, handle func(*call, *I) (*O, *Problem)) {
	if body, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		op.shape = strictjson.Of(body.Type)
	}
	huma.Register(to, op.documented(), func(ctx context.Context, in *I) (*O, error) {
		out, refused := handle(callOf(ctx), in)
		if refused != nil {
			return nil, refused
		}
		return out, nil
	})
}

// documented is the operation as the framework wants it.
func (op *operation) documented() huma.Operation {
	doc := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Tags: []string{op.tag},
		Summary: op.summary, Description: op.details, DefaultStatus: op.status,
		Metadata: map[string]any{metadataKey: op},
		// The gate has read the body, and checked its size, before.
		MaxBodyBytes: 2 * maxBody, BodyReadTimeout: -1,
		Responses: map[string]*huma.Response{},
		Security:  []map[string][]string{},
	}
	if op.role != NoRole {
		doc.Security = append(doc.Security, map[string][]string{securityScheme: {}})
		doc.Description = strings.TrimSpace(op.details + "\n\nRole: " + op.role.String() + ".")
	}
	if op.request != nil {
		doc.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Example: op.request}}}
	}
	if op.reply != nil {
		doc.Responses[strconv.Itoa(op.status)] = &huma.Response{
			Description: http.StatusText(op.status),
			Content:     map[string]*huma.MediaType{"application/json": {Example: op.reply}},
		}
	}
	for _, k := range op.allRefusals() {
		documentRefusal(&doc, k)
	}
	if op.request != nil {
		documentSchema(&doc)
	}
	if op.takesKey() {
		doc.Parameters = append(doc.Parameters, idempotencyKey())
	}
	return doc
}

// allRefusals adds those that the gate and the ledger have for everybody.
func (op *operation) allRefusals() []kind {
	all := slices.Concat(op.refusals, []kind{noCredential, invalidToken, crossSite, forbidden, methodNotAllowed, internalError})
	if op.role == NoRole {
		return []kind{crossSite, methodNotAllowed}
	}
	if op.method != http.MethodGet {
		all = append(all, invalidRequest, tooLarge, unsupportedType)
	}
	if op.asks {
		all = append(all, tooMany)
	}
	if op.takesKey() {
		all = append(all, inProgress, keyReused, tooMany, ledgerUnavailable, outcomeUnknown, ledgerDamaged, noMemory)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// takesKey reports whether the operation writes.
func (op *operation) takesKey() bool { return op.role >= Write }
