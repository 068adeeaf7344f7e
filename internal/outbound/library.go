package outbound

import (
	"io"
	"net/http"
	"strings"
)

// HTTP returns a client of the standard library whose every request goes by
// [Client.Do]. It is for libraries that ask by themselves. A redirect is the
// answer, so that a library can't follow it elsewhere.
func (c *Client) HTTP() *http.Client {
	return &http.Client{
		Transport:     through{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type through struct{ client *Client }

func (t through) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := t.client.Do(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: a.Status, Status: http.StatusText(a.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.Header, Body: io.NopCloser(strings.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r,
	}, nil
}
