package outbound

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/internal/origin"
)

// Bounds of a request.
const (
	DefaultTimeout = 5 * time.Second
	MaxTimeout     = time.Minute
	MaxBody        = 1 << 20 // bytes

	maxRedirects = 3
)

// ErrTooLong is the error for a body of more than [MaxBody] bytes.
var ErrTooLong = errors.New("the answer is longer than 1 MiB")

// StatusError is the error of [Client.Get] for a status other than 200.
type StatusError struct{ Code int }

func (e *StatusError) Error() string { return fmt.Sprintf("the answer has status %d", e.Code) }

// Options are the parts of a [Client] that can be replaced. The zero value is
// for production.
type Options struct {
	Transport http.RoundTripper // nil: guarded connections, TLS 1.2 or newer
	Roots     *x509.CertPool    // of Transport nil; nil: those of the system
}

// Client asks one party. It is safe for concurrent use.
type Client struct {
	loopback bool
	timeout  atomic.Int64 // of each request, nanoseconds
	http     http.Client
}

// New returns a client for the party at a configured URL. That URL alone
// decides whether loopback may be asked.
func New(party string, o Options) *Client {
	c := &Client{loopback: isLoopbackURL(party)}
	if o.Transport == nil {
		o.Transport = newTransport(c.loopback, o.Roots)
	}
	c.http = http.Client{Transport: o.Transport, CheckRedirect: checkRedirect}
	c.SetTimeout(0)
	return c
}

// SetTimeout bounds each request from the next one on, its body included; 0
// means [DefaultTimeout].
func (c *Client) SetTimeout(d time.Duration) { c.timeout.Store(int64(cmp.Or(d, DefaultTimeout))) }

// CloseIdleConnections is for the end of a client's life.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Answer is what a party answered, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Get returns the body of a JSON document as the party has it now, not as a
// cache between remembers it. A status other than 200 is a [*StatusError];
// further errors are those of [Client.Do].
func (c *Client) Get(ctx context.Context, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil { // it may repeat the address
		return "", fmt.Errorf("%w: it is not a URL", ErrAddress)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cache-Control", "no-cache")
	resp, end, err := c.send(r)
	if err != nil {
		return "", err
	}
	defer end()
	if resp.StatusCode != http.StatusOK {
		return "", &StatusError{resp.StatusCode}
	}
	return readAnswer(resp)
}

// Do sends a request and reads its answer. Only a GET follows redirects; for
// other methods the redirect is the answer, so that a body with credentials is
// sent once and to the URL that was meant. Errors wrap [ErrAddress] where the
// URL is not allowed, and [ErrTooLong]; any other means that there was no whole
// answer in time.
func (c *Client) Do(r *http.Request) (*Answer, error) {
	resp, end, err := c.send(r)
	if err != nil {
		return nil, err
	}
	defer end()
	body, err := readAnswer(resp)
	if err != nil {
		return nil, err
	}
	return &Answer{resp.StatusCode, resp.Header, body}, nil
}

// send returns an answer whose body is not read yet. Call end after that.
func (c *Client) send(r *http.Request) (resp *http.Response, end func(), err error) {
	if err := c.Allows(r.URL.String()); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(c.timeout.Load()))
	if resp, err = c.http.Do(r.WithContext(ctx)); err != nil {
		cancel()
		return nil, nil, withoutQuery(err)
	}
	return resp, func() { _ = resp.Body.Close(); cancel() }, nil
}

func readAnswer(resp *http.Response) (string, error) {
	body, err := ReadBody(resp.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	return body, nil
}

// ReadBody reads at most [MaxBody] bytes; if there are more, the error is
// [ErrTooLong].
func ReadBody(r io.Reader) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	switch {
	case err != nil:
		return "", err
	case len(body) > MaxBody:
		return "", ErrTooLong
	}
	return string(body), nil
}

// withoutQuery removes the query from the URL in an error: it may hold a secret.
func withoutQuery(err error) error {
	var e *url.Error
	if !errors.As(err, &e) {
		return err
	}
	address, _, cut := strings.Cut(e.URL, "?")
	if cut {
		address += "?…"
	}
	return &url.Error{Op: e.Op, URL: address, Err: e.Err}
}

// checkRedirect follows redirects within one origin: elsewhere, the party does
// not speak.
func checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case via[0].Method != http.MethodGet:
		return http.ErrUseLastResponse
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	case !origin.Same(r.URL, via[0].URL):
		return errors.New("redirected to another origin")
	}
	return nil
}
