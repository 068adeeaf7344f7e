package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"syscall"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

const (
	// appendDeadline bounds an append. That failing storage is told within 2 s
	// is the ledger's business.
	appendDeadline = 5 * time.Second
	// keyAge is how long an idempotency key is kept.
	keyAge = 24 * time.Hour
)

// errCrowded: what is new would have the process killed, and it would meet the
// same end after each restart. Nothing is evicted for it.
var errCrowded = errors.New("there is no memory for more")

// written is a record that is durable, and its receipt.
type written struct {
	node.Receipt
	replayed bool
}

// execute writes what a plan says, once it is confirmed.
func (a *api) execute(c *httpapi.Call, p *plan) (*written, *Problem) {
	if refused := a.confirmed(p); refused != nil {
		return nil, refused
	}
	return a.write(c, p.record, p.wait)
}

// write makes one record durable and in force, and waits for the other nodes.
// With an idempotency key that was used for the same request, the first one's
// receipt is returned.
func (a *api) write(c *httpapi.Call, r revocation.Record, wait time.Duration) (*written, *Problem) {
	key, p := a.idempotency(c, c.Body)
	if p != nil {
		return nil, p
	}
	if !key.IsZero() {
		if !a.Memory.begin(key.Key) {
			return nil, inProgress.Because("wait for its answer, or retry later").RetryAfter(1)
		}
		defer a.Memory.end(key.Key)
	}
	done, err := a.submit(c, []revocation.Record{r}, key)
	if err != nil {
		return nil, ledgerProblem(err)
	}
	a.await(c, done.Position, wait)
	ref := revocation.Ref{Position: done.Position}
	if !done.Replayed {
		return &written{a.receiptOf(&r, ref), false}, nil
	}
	receipt, err := a.Node.Receipt(c.Request.Context(), ref)
	if err != nil {
		return nil, ledgerProblem(err)
	}
	return &written{a.limited(receipt, &r), true}, nil
}

// submit does not stop when the client hangs up: what was begun is finished, or
// its outcome would be unknown for no reason.
//
// The caller is judged once more right before: its request may have taken long.
func (a *api) submit(c *httpapi.Call, records []revocation.Record, key ledger.Idempotency) (node.Written, error) {
	if refused := c.StillLetIn(); refused != nil {
		return node.Written{}, refused
	}
	if records[0].Type != revocation.Lift && a.Crowded() {
		return node.Written{}, errCrowded
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), appendDeadline)
	defer cancel()
	return a.Node.Submit(ctx, records, key)
}

// idempotency reads the Idempotency-Key header. Keys belong to their caller; the
// request is told by its method, its path and the canonical form of its body.
func (a *api) idempotency(c *httpapi.Call, body []byte) (ledger.Idempotency, *Problem) {
	values := c.Request.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return ledger.Idempotency{}, nil
	}
	key := values[0]
	valid := len(values) == 1 && len(key) >= 1 && len(key) <= 255
	for i := range len(key) {
		valid = valid && key[i] >= '!' && key[i] <= '~'
	}
	if !valid {
		return ledger.Idempotency{}, httpapi.InvalidRequest.Because("Idempotency-Key is one header of 1 to 255 visible ASCII characters")
	}
	return ledger.Idempotency{
		Key:     digestOf(c.Caller.Source, c.Caller.Name, key),
		Request: digestOf(c.Request.Method, c.Operation(), c.Request.PathValue("id"), canonical(body)),
		Expires: a.Now().Add(keyAge),
	}, nil
}

// canonical is a body without regard to spacing, order and escapes, and without
// what only confirms it: a caller that retries after a preview has expired makes another,
// and still asks for the same thing.
func canonical(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v map[string]any
	if d.Decode(&v) != nil {
		return string(body)
	}
	for _, confirms := range []string{"preview_id", "max_affected", "wait"} {
		delete(v, confirms)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return string(body)
	}
	return string(sorted)
}

// ledgerProblem says what a failed write means to its caller.
func ledgerProblem(err error) *Problem {
	var refused *Problem
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errCrowded):
		return noMemory.Because("give the gateway more memory, and GOMEMLIMIT with it; what is in force stays in force").RetryAfter(60)
	case errors.Is(err, ledger.ErrKeyReused):
		return keyReused.Because("use a new key for a new request")
	case errors.Is(err, ledger.ErrIntegrity):
		return ledgerDamaged.Because("nothing is written until an operator has looked: run caddy curfew doctor").RetryAfter(60)
	case errors.Is(err, ledger.ErrReadOnly):
		return ledgerUnavailable.Because("this node may only follow the ledger: send writes to another node, " +
			"or let this one's NATS user publish to the subjects of the stream").RetryAfter(60)
	case errors.Is(err, node.ErrFormat):
		return ledgerUnavailable.Because("%s", err).RetryAfter(60)
	case errors.Is(err, ledger.ErrUninitialised):
		return ledgerUnavailable.Because("the ledger is empty: restore it, or run caddy curfew init").RetryAfter(60)
	case errors.Is(err, ledger.ErrUnavailable) && isOfDisk(err):
		return ledgerUnavailable.Because("%s; free or mend the disk, then retry", err).RetryAfter(60)
	case errors.Is(err, ledger.ErrUnavailable):
		return ledgerUnavailable.Because("%s; retry later", err).RetryAfter(1)
	}
	// Whatever else happened, it must not read as "nothing was changed".
	return outcomeUnknown.Because("retry with the same Idempotency-Key; repeating a revocation is harmless").RetryAfter(1)
}

// isOfDisk reports whether the disk refused. Time alone does not mend that.
func isOfDisk(err error) bool {
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EIO},
		func(of error) bool { return errors.Is(err, of) })
}

// readProblem is for failed reads.
func readProblem(err error) *Problem {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return httpapi.NotFound.Because("no such record")
	case errors.Is(err, ledger.ErrIntegrity):
		return ledgerDamaged.Because("run caddy curfew doctor").RetryAfter(60)
	}
	return ledgerUnavailable.Because("the ledger can't be read now; retry later").RetryAfter(1)
}

// created is the answer to a write.
type created struct {
	Location string       `header:"Location" doc:"Where the receipt stands"`
	Replayed string       `header:"Idempotent-Replayed" doc:"true: the Idempotency-Key was seen before, and this is the first one's receipt"`
	Body     node.Receipt `required:"true"`
}

// receiptReply is the answer without a location.
type receiptReply struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true: the Idempotency-Key was seen before, and this is the first one's receipt"`
	Body     node.Receipt
}

func replayed(yes bool) string {
	if yes {
		return "true"
	}
	return ""
}

// author names the caller for the audit of a record.
func author(c *httpapi.Call) revocation.Author {
	return revocation.Author{Source: c.Caller.Source, Actor: c.Caller.Name, Remote: c.Remote, RequestID: c.ID}
}
