package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// Call is one request on its way through an API.
type Call struct {
	ID      string // of the request, in its audit line and in X-Request-Id
	Caller  Caller
	Remote  string // address, without the port
	Request *http.Request
	Writer  http.ResponseWriter
	Body    []byte // as it was sent, and checked; nil if the operation reads it

	api       *API
	answer    *answer // the Writer
	operation string
	release   func() // gives back what [Operation.Bound] took; nil: nothing
	problem   string // name of the kind of problem that was answered
}

// Operation is the id of the operation that is called.
func (c *Call) Operation() string { return c.operation }

type callKey struct{}

func callOf(ctx context.Context) *Call { return ctx.Value(callKey{}).(*Call) }

// randomID is 128 bits, in hexadecimal.
func randomID() string {
	var b [16]byte
	// Read never fails: the runtime ends the process instead.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
