package admin

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// Version is the version of the API.
const Version = "1.0.0"

// register lists the operations of the API.
func (a *api) register() error {
	cfg := httpapi.Config{
		Name: "admin", Document: document(), Kinds: kinds(), Prefix: a.Prefix, Now: a.Now, Observe: a.Observe, Log: a.Log,
		Authenticate: func(r *http.Request) (Caller, error) {
			c, err := a.Authenticate(r)
			return c, refusing(err)
		},
	}
	if a.Again != nil {
		cfg.Again = func(r *http.Request, was Caller) (Role, error) {
			role, err := a.Again(r, was)
			return role, refusing(err)
		}
	}
	a.http = httpapi.New(cfg)
	a.registerRevocations()
	a.registerPreview()
	a.registerImport()
	a.registerDevices()
	a.registerHolds()
	a.registerSearches()
	a.registerSessions()
	a.registerAnswers()
	a.registerEvents()
	return a.http.Publish()
}

func document() httpapi.Document {
	return httpapi.Document{
		Title: "Curfew admin API", Version: Version,
		Description: "Sign out everywhere, at the edge. A 2xx to a write is sent once the record is durable and in force on " +
			"the node that answers; the receipt says where else. Identifiers travel in bodies, never in URLs. Unknown, " +
			"duplicate and case-variant members are refused.",
		Security: "A configured token; its role is read, write or break_glass. Not needed on Caddy's own admin endpoint.",
		Tags: []httpapi.Tag{
			{Name: "Revocations", Description: "Cuts: refuse what is from before an instant"},
			{Name: "Devices", Description: "Devices of an account"},
			{Name: "Sessions", Description: "What a node has seen of an account"},
			{Name: "Blocks", Description: "Refuse until lifted"},
			{Name: "Step-ups", Description: "Demand a new authentication"},
			{Name: "Gateway", Description: "What the gateway knows"},
		},
		Written:  map[reflect.Type]reflect.Type{reflect.TypeFor[revocation.Target](): reflect.TypeFor[Target]()},
		Instants: []string{"at", "enforced_at", "enforced_by", "expires_at", "last_heard", "signed_in", "first_seen", "last_seen"},
	}
}

// recordID is what every id of a record looks like, such as rev_7.1042.0. The
// operation says which of them name a record.
var recordID = regexp.MustCompile(`^[a-z]{3}_[0-9.]{1,64}$`)

// asking completes an operation that costs something to answer.
func (a *api) asking(op httpapi.Operation) httpapi.Operation {
	op.Method, op.Role, op.Status, op.Bound = http.MethodPost, Read, http.StatusOK, a.boundAsking
	return op
}

// writing completes an operation that writes one record.
func (a *api) writing(op httpapi.Operation) httpapi.Operation {
	op.Bound = a.boundWrites
	return writingMany(op)
}

// writingMany completes an operation that bounds itself what it writes.
func writingMany(op httpapi.Operation) httpapi.Operation {
	op.Role, op.Keyed = Write, true
	op.Refusals = slices.Concat(op.Refusals, []httpapi.Kind{
		httpapi.TooMany, inProgress, keyReused, ledgerUnavailable, outcomeUnknown, ledgerDamaged, noMemory,
	})
	return op
}

// onTarget are the refusals of operations that take a target.
var onTarget = []httpapi.Kind{invalidTarget, unknownIssuer, unenforceable}

func (a *api) registerPreview() {
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "preview", Path: "/v1/revocations/preview", Tag: "Revocations",
		Summary: "Show what a revocation, block or step-up would hit",
		Details: "Takes the body of the revocation; for a block or step-up, its target alone. The preview_id confirms the same " +
			"target, mode, at and include_exempt for five minutes, whoever uses it, on every node with the same sealing_key (without one, on the node that " +
			"made it), while the same clients are exempt. The numbers are what that node has seen.",
		Refusals: append([]httpapi.Kind{invalidMode}, onTarget...),
		Request:  exampleRequest, Reply: examplePreview,
	}), a.preview)
}

func (a *api) registerImport() {
	httpapi.Add(a.http, writingMany(httpapi.Operation{
		ID: "import", Method: http.MethodPost, Path: "/v1/revocations/import", Tag: "Revocations", Status: http.StatusOK,
		Summary: "Revoke many, one NDJSON line each",
		Details: "Each line is the body of a revocation, up to 64 KiB; wait has no effect. Chunks of up to 1000 lines, fewer where " +
			"they are long, become durable together; then their outcomes are sent, one line each, in order: once the line behind the chunk, " +
			"or the end of the body, has come. A line that is refused does not affect the others. Targets that may hit " +
			"more than one account are refused. Read the answer while sending. Where the caller would not be let in any more, the import ends with a line that says why. With an Idempotency-Key, what broke off goes on with the same " +
			"lines; Idempotent-Replayed: true says that the first chunk had been written before. Where another body comes under the key, nothing is " +
			"written from the chunk on that differs: that is 422 idempotency-key-reused for the call, or for each line where the answer had begun.",
		Takes: &httpapi.Streamed{Media: lineTypes, Example: exampleRequest},
		Gives: &httpapi.Streamed{Media: lineTypes[:1], Example: exampleImported, Header: "Idempotent-Replayed", Value: "true"},
	}), a.importLines)
}

func (a *api) registerHolds() {
	holds := append([]httpapi.Kind{previewRequired, previewExceeded}, onTarget...)
	const blocks, stepUps = "Blocks", "Step-ups"
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "block", Method: http.MethodPost, Path: "/v1/blocks", Tag: blocks, Status: http.StatusCreated,
		Summary: "Refuse a target until the block is lifted", Refusals: holds, Request: exampleBlock, Reply: exampleBlocked(),
	}), a.block)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "unblock", Method: http.MethodDelete, Path: "/v1/blocks/{id}", Shape: recordID, Tag: blocks, Status: http.StatusOK,
		Summary: "Lift a block, for good", Details: "Other blocks of the target hold. Lifting again answers with the first lift.",
		Refusals: []httpapi.Kind{httpapi.NotFound}, Reply: exampleLift(),
	}), a.unblock)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "step-up", Method: http.MethodPost, Path: "/v1/step-ups", Tag: stepUps, Status: http.StatusCreated,
		Summary:  "Demand a newer, and a stronger, authentication of a target",
		Details:  "From now on each credential of the target must show an auth_time after this instant and, where given, any of acr and any of amr.",
		Refusals: holds, Request: exampleStepUp, Reply: exampleSteppedUp(),
	}), a.stepUp)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "lift-step-up", Method: http.MethodDelete, Path: "/v1/step-ups/{id}", Shape: recordID, Tag: stepUps, Status: http.StatusOK,
		Summary: "Lift a step-up, for good", Refusals: []httpapi.Kind{httpapi.NotFound}, Reply: exampleLift(),
	}), a.liftStepUp)
}
