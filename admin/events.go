package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

func (a *api) registerEvents() {
	const tag = "Gateway"
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

const exampleEvents = "id: 7.1042\nevent: revocation\ndata: {\"id\":\"rev_7.1042.0\",…}\n\n"

const (
	// commentEvery keeps intermediaries from closing a silent stream.
	commentEvery = 15 * time.Second
	// writeWithin is how long a listener may take to accept what is sent.
	writeWithin = 30 * time.Second
	// feedBatch is how many entries are read at once: the ledger must not be
	// held while a slow listener is written to.
	feedBatch = 256
)

// eventsInput documents the header that resumes a stream.
type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that was received" example:"7.1042"`
}

// events streams what is applied, from now on or from after Last-Event-ID.
func (a *api) events(c *httpapi.Call, _ *eventsInput) (*httpapi.Stream, *Problem) {
	l, err := a.Node.Log()
	if err != nil {
		return nil, readProblem(err)
	}
	from, refused := resume(c, l)
	if refused != nil {
		return nil, refused
	}
	f := &feed{api: a, call: c, log: l, after: from, out: c.Writer, control: http.NewResponseController(c.Writer)}
	return httpapi.StreamOf(func() {
		f.begin()
		if c.Request.Method != http.MethodHead {
			f.run(c.Request.Context())
		}
	}), nil
}

// resume is the position to go on from: one that this ledger has, or zero for
// one from before its beginning. A position past a trim, ahead of the ledger, or
// of another one would leave a hole that the listener can't see. Empty is none.
func resume(c *httpapi.Call, l ledger.Ledger) (revocation.Position, *Problem) {
	head := l.Head().Position
	values := c.Request.Header.Values("Last-Event-ID")
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return head, nil
	}
	after, err := revocation.ParsePosition(values[0])
	if err != nil || len(values) > 1 {
		return head, httpapi.InvalidRequest.Because("Last-Event-ID is one header: the id of an event, such as %s", head)
	}
	gone := positionGone.Because("search for what stands now, then listen without Last-Event-ID")
	if after.Compare(head) > 0 {
		return head, gone
	}
	switch _, err := l.Get(c.Request.Context(), revocation.Ref{Position: after}); {
	case err == nil:
		return after, nil
	case !errors.Is(err, ledger.ErrNotFound):
		return head, readProblem(err)
	}
	switch begins, err := beginsAfter(c.Request.Context(), l, after); {
	case err != nil:
		return head, readProblem(err)
	case !begins:
		return head, gone
	}
	return revocation.Position{}, nil
}

// beginsAfter reports whether a position is before the whole of a ledger of
// which nothing was trimmed: its first entry is the genesis of that epoch.
func beginsAfter(ctx context.Context, l ledger.Ledger, after revocation.Position) (bool, error) {
	begins := false
	err := l.Read(ctx, revocation.Position{}, func(e revocation.Entry) error {
		begins = e.Position.Epoch == after.Epoch && e.Position.Compare(after) > 0 && e.Records[0].Type == revocation.Genesis
		return errBatchFull
	})
	if err != nil && !errors.Is(err, errBatchFull) {
		return false, err
	}
	return begins, nil
}

// feed is one listener's stream.
type feed struct {
	*api
	call    *httpapi.Call
	log     ledger.Ledger
	after   revocation.Position // everything up to here was sent
	out     http.ResponseWriter
	control *http.ResponseController
}

func (f *feed) begin() {
	h := f.out.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	f.out.WriteHeader(http.StatusOK)
}

// run returns when the listener goes or would not be let in any more, the
// handler or the node ends, or the ledger can't be read.
func (f *feed) run(ctx context.Context) {
	// An id without data is no event, but says where to resume from: who is cut
	// off before the first event misses none either.
	var first []byte
	if f.after != (revocation.Position{}) {
		first = fmt.Appendf(nil, "id: %s\n\n", f.after)
	}
	if f.send(first) != nil {
		return
	}
	look := time.NewTicker(httpapi.JudgeEvery)
	defer look.Stop()
	comment := time.NewTicker(commentEvery)
	defer comment.Stop()
	for {
		changed := f.Node.Changes() // before looking, or one may be missed
		for more := true; more; {
			var err error
			if more, err = f.forward(ctx); err != nil {
				return
			}
		}
		if !f.await(ctx, changed, look.C, comment.C) {
			return
		}
	}
}

// await returns true when there may be more to send.
func (f *feed) await(ctx context.Context, changed <-chan struct{}, look, comment <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-f.Done:
			return false
		case <-changed:
			return true
		case <-look:
			if s := f.Node.State(); s == node.Closed || s == node.Damaged {
				return false
			}
			if refused := f.call.StillLetIn(); refused != nil {
				f.end(refused)
				return false
			}
		case <-comment:
			if f.send([]byte(": still here\n\n")) != nil {
				return false
			}
		}
	}
}

var (
	errBatchFull  = errors.New("batch is full")
	errNotApplied = errors.New("not applied yet")
)

// forward sends the next entries and reports whether there may be more. An entry
// that is durable and not applied yet is sent once it is applied.
func (f *feed) forward(ctx context.Context) (more bool, err error) {
	var batch bytes.Buffer
	entries, applied := 0, f.Node.Applied()
	if applied.Compare(f.after) <= 0 {
		return false, nil
	}
	// One of these entries may have signed this caller out.
	if refused := f.call.StillLetIn(); refused != nil {
		f.end(refused)
		return false, refused
	}
	err = f.log.Read(ctx, f.after, func(e revocation.Entry) error {
		if e.Position.Compare(applied) > 0 {
			return errNotApplied
		}
		if entries++; entries > feedBatch {
			return errBatchFull
		}
		f.after = e.Position
		return f.write(&batch, e)
	})
	more = errors.Is(err, errBatchFull)
	if err != nil && !more && !errors.Is(err, errNotApplied) {
		return false, err
	}
	if batch.Len() == 0 {
		return more, nil
	}
	return more, f.send(batch.Bytes())
}

// write puts an entry into a batch. Only its last event carries the id, for an
// id is a position, and a position an entry: who loses the stream within one
// gets all of it again, and none of it is missed.
func (f *feed) write(batch *bytes.Buffer, e revocation.Entry) error {
	for i := range e.Records {
		r := &e.Records[i]
		name := r.Type.String()
		if r.Type == revocation.Genesis {
			if name = revocation.Cut.String(); r.Through == 0 {
				continue // it signs nobody out
			}
		}
		data, err := json.Marshal(f.Node.ReceiptOf(r, r.RefAt(revocation.Ref{Position: e.Position, Item: uint16(i)})))
		if err != nil {
			return fmt.Errorf("writing an event: %w", err)
		}
		if i == len(e.Records)-1 {
			fmt.Fprintf(batch, "id: %s\n", e.Position)
		}
		fmt.Fprintf(batch, "event: %s\ndata: %s\n\n", name, data)
	}
	return nil
}

// end says why the stream ends, in a comment: it is no event.
func (f *feed) end(why *Problem) {
	f.call.Note(why)
	_ = f.send(fmt.Appendf(nil, ": the end: %s\n\n", why.Detail))
}

func (f *feed) send(b []byte) error {
	// Not every server has deadlines; where it has, its own for whole answers
	// must not end the stream.
	_ = f.control.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := f.out.Write(b); err != nil {
		return err
	}
	return f.control.Flush()
}
