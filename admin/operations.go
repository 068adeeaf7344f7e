package admin

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// register lists the operations of the API.
func (a *api) register() error {
	a.router.prefix = a.Prefix
	to := huma.NewAPI(configuration(a.Prefix), &a.router)
	a.registerRevocations(to)
	a.registerHolds(to)
	a.registerSessions(to)
	a.registerAnswers(to)
	return a.publish(to)
}

const eventsID = "events"

// onTarget are the refusals of operations that take a target.
var onTarget = []kind{invalidTarget, unknownIssuer, unenforceable}

func (a *api) registerRevocations(to huma.API) {
	const tag = "Revocations"
	add(to, operation{
		id: "revoke", method: http.MethodPost, path: "/v1/revocations", tag: tag, role: Write, status: http.StatusCreated,
		summary: "Refuse credentials of a target from before an instant",
		details: "Answers once the cut is durable and in force on this node, and on every other one or after wait. Targets that may hit more than one account " +
			"({iss, device_id}, {iss, tenant}, {iss, client_id}, {iss}, {iss, kid}) take the role break_glass and a preview_id.",
		refusals: append([]kind{invalidMode, previewRequired, previewExceeded}, onTarget...),
		request:  exampleRequest, reply: exampleReceipt,
	}, a.revoke)
	add(to, operation{
		id: "preview", method: http.MethodPost, asks: true, path: "/v1/revocations/preview", tag: tag, role: Read, status: http.StatusOK,
		summary: "Show what a revocation, block or step-up would hit",
		details: "Takes the body of the revocation; for a block or step-up, its target alone. The preview_id confirms the same " +
			"target, mode, at and include_exempt for five minutes, whoever uses it, on every node with the same sealing_key (without one, on the node that " +
			"made it), while the same clients are exempt. The numbers are what that node has seen.",
		refusals: append([]kind{invalidMode}, onTarget...),
		request:  exampleRequest, reply: examplePreview,
	}, a.preview)
	add(to, operation{
		id: "import", method: http.MethodPost, path: "/v1/revocations/import", tag: tag, role: Write, status: http.StatusOK, streams: true,
		summary: "Revoke many, one NDJSON line each",
		details: "Each line is the body of a revocation, up to 64 KiB; wait has no effect. Chunks of up to 1000 lines, fewer where " +
			"they are long, become durable together; then their outcomes are sent, one line each, in order: once the line behind the chunk, " +
			"or the end of the body, has come. A line that is refused does not affect the others. Targets that may hit " +
			"more than one account are refused. Read the answer while sending. Where the caller would not be let in any more, the import ends with a line that says why. With an Idempotency-Key, what broke off goes on with the same " +
			"lines; Idempotent-Replayed: true says that the first chunk had been written before. Where another body comes under the key, nothing is " +
			"written from the chunk on that differs: that is 422 idempotency-key-reused for the call, or for each line where the answer had begun.",
	}, a.importLines)
	add(to, operation{
		id: "receipt", method: http.MethodGet, path: "/v1/revocations/{id}", tag: tag, role: Read, status: http.StatusOK,
		summary: "The receipt of a revocation as it stands now", refusals: []kind{notFound, ledgerUnavailable, ledgerDamaged},
		reply: exampleReceipt,
	}, a.revocation)
	add(to, operation{
		id: "search-revocations", method: http.MethodPost, asks: true, path: "/v1/revocations/search", tag: tag, role: Read, status: http.StatusOK,
		summary: "List revocations, newest first", refusals: []kind{ledgerUnavailable, ledgerDamaged},
		request: exampleSearch, reply: exampleReceipts(),
	}, a.searchRevocations)
	add(to, operation{
		id: "unlink", method: http.MethodPost, path: "/v1/devices/unlink", tag: "Devices", role: Write, status: http.StatusCreated,
		summary:  "Sign a device of an account out",
		details:  "The same as revoking {iss, sub, device_id}: the found phone may sign in again.",
		refusals: onTarget, request: exampleUnlink, reply: exampleUnlinked(),
	}, a.unlink)
}

func (a *api) registerHolds(to huma.API) {
	holds := append([]kind{previewRequired, previewExceeded}, onTarget...)
	const blocks, stepUps = "Blocks", "Step-ups"
	add(to, operation{
		id: "block", method: http.MethodPost, path: "/v1/blocks", tag: blocks, role: Write, status: http.StatusCreated,
		summary: "Refuse a target until the block is lifted", refusals: holds, request: exampleBlock, reply: exampleBlocked(),
	}, a.block)
	add(to, operation{
		id: "unblock", method: http.MethodDelete, path: "/v1/blocks/{id}", tag: blocks, role: Write, status: http.StatusOK,
		summary: "Lift a block, for good", details: "Other blocks of the target hold. Lifting again answers with the first lift.",
		refusals: []kind{notFound}, reply: exampleLift(),
	}, a.unblock)
	add(to, operation{
		id: "search-blocks", method: http.MethodPost, asks: true, path: "/v1/blocks/search", tag: blocks, role: Read, status: http.StatusOK,
		summary: "List blocks, lifted ones too, newest first", refusals: []kind{ledgerUnavailable, ledgerDamaged},
		request: exampleSearch, reply: exampleHeld(exampleBlocked()),
	}, a.searchBlocks)
	add(to, operation{
		id: "step-up", method: http.MethodPost, path: "/v1/step-ups", tag: stepUps, role: Write, status: http.StatusCreated,
		summary:  "Demand a newer, and a stronger, authentication of a target",
		details:  "From now on each credential of the target must show an auth_time after this instant and, where given, any of acr and any of amr.",
		refusals: holds, request: exampleStepUp, reply: exampleSteppedUp(),
	}, a.stepUp)
	add(to, operation{
		id: "lift-step-up", method: http.MethodDelete, path: "/v1/step-ups/{id}", tag: stepUps, role: Write, status: http.StatusOK,
		summary: "Lift a step-up, for good", refusals: []kind{notFound}, reply: exampleLift(),
	}, a.liftStepUp)
	add(to, operation{
		id: "search-step-ups", method: http.MethodPost, asks: true, path: "/v1/step-ups/search", tag: stepUps, role: Read, status: http.StatusOK,
		summary: "List step-ups, lifted ones too, newest first", refusals: []kind{ledgerUnavailable, ledgerDamaged},
		request: exampleSearch, reply: exampleHeld(exampleSteppedUp()),
	}, a.searchStepUps)
}

func (a *api) registerSessions(to huma.API) {
	add(to, operation{
		id: "search-sessions", method: http.MethodPost, asks: true, path: "/v1/sessions/search", tag: "Sessions", role: Read, status: http.StatusOK,
		summary: "List what this node has seen of an account, last seen first",
		details: "One item for each session, client and device; tokens without a session (sid) make one for each client and device. " +
			"A node tells what was presented to it since it started, and others may have seen more. What is seen again between " +
			"two pages moves to the front.",
		refusals: []kind{unknownIssuer}, request: exampleSessions, reply: exampleSeen(),
	}, a.searchSessions)
}

func (a *api) registerAnswers(to huma.API) {
	const tag = "Gateway"
	add(to, operation{
		id: "explain", method: http.MethodPost, asks: true, path: "/v1/explain", tag: tag, role: Read, status: http.StatusOK,
		summary:  "How a token would fare, and why",
		refusals: []kind{unknownPolicy, notAvailable}, request: exampleExplain, reply: exampleExplanation,
	}, a.explain)
	add(to, operation{
		id: "nodes", method: http.MethodGet, path: "/v1/nodes", tag: tag, role: Read, status: http.StatusOK,
		summary: "Every node and how fresh it is", reply: exampleNodes,
	}, a.nodes)
	add(to, operation{
		id: eventsID, method: http.MethodGet, asks: true, path: "/v1/events", tag: tag, role: Read, status: http.StatusOK,
		summary: "What is applied, as server-sent events",
		details: "Events revocation, block, lift and step_up carry a receipt; their id is a position. What became durable together has one " +
			"position: only the last event of it has an id, so that nobody resumes in the middle. The stream begins with an id without an event, from where to resume if nothing " +
			"else came. A comment comes every 15 s. Last-Event-ID resumes after a position; empty, it is none. The stream ends, with a comment that says why, once its caller would not be let in any more.",
		refusals: []kind{invalidRequest, positionGone, ledgerUnavailable, ledgerDamaged},
	}, a.events)
}
