package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"

	"curfew.dev/curfew/revocation"
)

// call is one request on its way through the API.
type call struct {
	id      string // of the request
	caller  Caller
	remote  string
	request *http.Request
	writer  *answer
	body    []byte // as it was sent, and checked; nil where it is streamed

	operation string
	leave     func() // gives back what the call took of its caller's; nil: nothing
	problem   string // what it was refused with
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// randomID is 128 bits, in hexadecimal.
func randomID() string {
	var b [16]byte
	// It never fails: the runtime ends the process instead.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// attribute puts the audit into a record: who, when, from where.
func (a *api) attribute(c *call, r revocation.Record) revocation.Record {
	r.Source, r.Actor = c.caller.Source, c.caller.Name
	r.Remote, r.RequestID = c.remote, c.id
	r.Time = a.Now().UnixMilli()
	return r
}
