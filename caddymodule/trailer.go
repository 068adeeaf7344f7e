package caddymodule

import (
	"io"
	"net/http"
)

// cleanseTrailers keeps our headers out of the trailers too. net/http puts all
// that come into the map, announced or not, when the body ends; the proxy
// behind us copies the map right after that.
func (id *identity) cleanseTrailers(r *http.Request) {
	id.purge(r.Trailer)
	if r.Body != nil {
		r.Body = &trailedBody{r.Body, r.Trailer, id}
	}
}

func (id *identity) purge(h http.Header) {
	for name := range h {
		if id.carries(name) {
			delete(h, name)
		}
	}
}

// trailedBody is the body of a request that announced trailers.
type trailedBody struct {
	io.ReadCloser
	trailer  http.Header
	identity *identity
}

// Read purges the trailers before its reader learns that they are there.
func (b *trailedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.identity.purge(b.trailer)
	}
	return n, err
}
