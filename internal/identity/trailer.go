package identity

import (
	"io"
	"net/http"
)

// cleanseTrailers keeps the headers out of the trailers too. At the end of the
// body net/http puts all trailers into the map, announced or not, and a proxy
// copies the map right after that.
func (h *Headers) cleanseTrailers(r *http.Request) {
	h.Purge(r.Trailer)
	if r.Body != nil {
		r.Body = &trailedBody{r.Body, r.Trailer, h}
	}
}

// trailedBody is the body of a request that announced trailers.
type trailedBody struct {
	io.ReadCloser
	trailer http.Header
	headers *Headers
}

// Read purges the trailers before its reader learns that they are there.
func (b *trailedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.headers.Purge(b.trailer)
	}
	return n, err
}
