package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"curfew.dev/curfew/internal/strictjson"
)

// Operation is what the gate and the document have to know of a route.
type Operation struct {
	ID, Method, Path string // the path may end in /{id}
	Summary, Details string
	Tag              string
	// Shape is what an {id} in the path looks like. Other paths are not found.
	Shape *regexp.Regexp
	// Role is the smallest that may call it. NoRole: nobody is asked.
	Role Role
	// Status is that of success.
	Status int
	// Refusals are the kinds of problem that the operation answers with, besides
	// those of the gate.
	Refusals []Kind
	// Request and Reply are examples of JSON bodies; nil: there is none.
	Request, Reply any
	// Takes and Gives are bodies that the operation reads and writes itself.
	Takes, Gives *Streamed
	// Keyed operations take an Idempotency-Key.
	Keyed bool
	// Bound refuses a call that costs its caller more than it may have. The
	// returned function is called at the end of the call; nil: nothing is.
	Bound func(*Call) (release func(), refused *Problem)

	body *strictjson.Shape // nil: the operation takes none
}

// Streamed is a body that an operation reads or writes itself.
type Streamed struct {
	// Media are its content types. The first is preferred.
	Media []string
	// Example is one line of it; its type is the schema of each line.
	Example any
	// Header and Value are an example of a header that may come with it; empty:
	// none does.
	Header, Value string
}

// Body is the input of an operation that takes JSON.
type Body[T any] struct {
	Body T `required:"true"`
}

// Reply is the output of an operation that answers with JSON.
type Reply[T any] struct{ Body T }

// Stream is the output of an operation that writes for itself.
type Stream = huma.StreamResponse

// StreamOf makes a stream that run writes to the writer of the call. From then on
// run alone reads the body.
func StreamOf(run func()) *Stream {
	return &Stream{Body: func(ctx huma.Context) {
		callOf(ctx.Context()).answer.unread = nil
		run()
	}}
}

// metadataKey is where a framework operation keeps ours.
const metadataKey = "operation"

func operationOf(op *huma.Operation) *Operation { return op.Metadata[metadataKey].(*Operation) }

// Add registers an operation with its handler. I is a struct: a member Body is
// the JSON body, and members with a tag path, query or header are read from
// there. The handler returns either an output or a problem.
func Add[I, O any](a *API, op Operation, handle func(*Call, *I) (*O, *Problem)) {
	if body, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		op.body = strictjson.Of(body.Type)
	}
	huma.Register(a.huma, a.documented(&op), func(ctx context.Context, in *I) (*O, error) {
		out, refused := handle(callOf(ctx), in)
		if refused != nil {
			return nil, refused
		}
		return out, nil
	})
	if op.Takes != nil {
		// The framework reads and checks a body that it knows of.
		a.huma.OpenAPI().Paths[op.Path].Post.RequestBody = &huma.RequestBody{Required: true, Content: a.contents(op.Takes)}
	}
}

// refusals are all kinds of problem that an operation answers with, in the order
// of the document.
func (a *API) refusals(op *Operation) []Kind {
	has := map[Kind]bool{CrossSite: true, MethodNotAllowed: true}
	if op.Role != NoRole {
		for _, k := range append([]Kind{NoCredential, InvalidToken, Forbidden, Internal}, op.Refusals...) {
			has[k] = true
		}
		if op.Method != http.MethodGet {
			has[InvalidRequest], has[TooLarge], has[UnsupportedType] = true, true, true
		}
		if op.Bound != nil {
			has[TooMany] = true
		}
	}
	var all []Kind
	for _, k := range a.kinds {
		if has[k] {
			all = append(all, k)
		}
	}
	return all
}
