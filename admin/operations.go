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
	a.registerHolds()
	a.registerSessions()
	a.registerAnswers()
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

func (a *api) registerRevocations() {
	const tag = "Revocations"
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "revoke", Method: http.MethodPost, Path: "/v1/revocations", Tag: tag, Status: http.StatusCreated,
		Summary: "Refuse credentials of a target from before an instant",
		Details: "Answers once the cut is durable and in force on this node, and on every other one or after wait. Targets that may hit more than one account " +
			"({iss, device_id}, {iss, tenant}, {iss, client_id}, {iss}, {iss, kid}) take the role break_glass and a preview_id.",
		Refusals: append([]httpapi.Kind{invalidMode, previewRequired, previewExceeded}, onTarget...),
		Request:  exampleRequest, Reply: exampleReceipt,
	}), a.revoke)
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "preview", Path: "/v1/revocations/preview", Tag: tag,
		Summary: "Show what a revocation, block or step-up would hit",
		Details: "Takes the body of the revocation; for a block or step-up, its target alone. The preview_id confirms the same " +
			"target, mode, at and include_exempt for five minutes, whoever uses it, on every node with the same sealing_key (without one, on the node that " +
			"made it), while the same clients are exempt. The numbers are what that node has seen.",
		Refusals: append([]httpapi.Kind{invalidMode}, onTarget...),
		Request:  exampleRequest, Reply: examplePreview,
	}), a.preview)
	httpapi.Add(a.http, writingMany(httpapi.Operation{
		ID: "import", Method: http.MethodPost, Path: "/v1/revocations/import", Tag: tag, Status: http.StatusOK,
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
	httpapi.Add(a.http, httpapi.Operation{
		ID: "receipt", Method: http.MethodGet, Path: "/v1/revocations/{id}", Shape: recordID, Tag: tag, Role: Read, Status: http.StatusOK,
		Summary: "The receipt of a revocation as it stands now", Refusals: []httpapi.Kind{httpapi.NotFound, ledgerUnavailable, ledgerDamaged},
		Reply: exampleReceipt,
	}, a.revocation)
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-revocations", Path: "/v1/revocations/search", Tag: tag,
		Summary: "List revocations, newest first", Refusals: []httpapi.Kind{ledgerUnavailable, ledgerDamaged},
		Request: exampleSearch, Reply: exampleReceipts(),
	}), a.searchRevocations)
	httpapi.Add(a.http, a.writing(httpapi.Operation{
		ID: "unlink", Method: http.MethodPost, Path: "/v1/devices/unlink", Tag: "Devices", Status: http.StatusCreated,
		Summary:  "Sign a device of an account out",
		Details:  "The same as revoking {iss, sub, device_id}: the found phone may sign in again.",
		Refusals: onTarget, Request: exampleUnlink, Reply: exampleUnlinked(),
	}), a.unlink)
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
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-blocks", Path: "/v1/blocks/search", Tag: blocks,
		Summary: "List blocks, lifted ones too, newest first", Refusals: []httpapi.Kind{ledgerUnavailable, ledgerDamaged},
		Request: exampleSearch, Reply: exampleHeld(exampleBlocked()),
	}), a.searchBlocks)
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
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-step-ups", Path: "/v1/step-ups/search", Tag: stepUps,
		Summary: "List step-ups, lifted ones too, newest first", Refusals: []httpapi.Kind{ledgerUnavailable, ledgerDamaged},
		Request: exampleSearch, Reply: exampleHeld(exampleSteppedUp()),
	}), a.searchStepUps)
}

func (a *api) registerSessions() {
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-sessions", Path: "/v1/sessions/search", Tag: "Sessions",
		Summary: "List what this node has seen of an account, last seen first",
		Details: "One item for each session, client and device; tokens without a session (sid) make one for each client and device. " +
			"A node tells what was presented to it since it started, and others may have seen more. What is seen again between " +
			"two pages moves to the front.",
		Refusals: []httpapi.Kind{unknownIssuer}, Request: exampleSessions, Reply: exampleSeen(),
	}), a.searchSessions)
}

func (a *api) registerAnswers() {
	const tag = "Gateway"
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "explain", Path: "/v1/explain", Tag: tag,
		Summary:  "How a token would fare, and why",
		Refusals: []httpapi.Kind{unknownPolicy, httpapi.NotAvailable}, Request: exampleExplain, Reply: exampleExplanation,
	}), a.explain)
	httpapi.Add(a.http, httpapi.Operation{
		ID: "nodes", Method: http.MethodGet, Path: "/v1/nodes", Tag: tag, Role: Read, Status: http.StatusOK,
		Summary: "Every node and how fresh it is", Reply: exampleNodes,
	}, a.nodes)
	httpapi.Add(a.http, httpapi.Operation{
		ID: "events", Method: http.MethodGet, Bound: a.boundFeeds, Path: "/v1/events", Tag: tag, Role: Read, Status: http.StatusOK,
		Summary: "What is applied, as server-sent events",
		Details: "Events revocation, block, lift and step_up carry a receipt; their id is a position. What became durable together has one " +
			"position: only the last event of it has an id, so that nobody resumes in the middle. The stream begins with an id without an event, from where to resume if nothing " +
			"else came. A comment comes every 15 s. Last-Event-ID resumes after a position; empty, it is none. The stream ends, with a comment that says why, once its caller would not be let in any more.",
		Refusals: []httpapi.Kind{httpapi.InvalidRequest, positionGone, ledgerUnavailable, ledgerDamaged},
		Gives:    &httpapi.Streamed{Media: []string{"text/event-stream"}, Example: exampleEvents},
	}, a.events)
}
