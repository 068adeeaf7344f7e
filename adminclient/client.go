package adminclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"curfew.dev/curfew/internal/bounded"
)

const (
	// patience is how long one exchange may take: the longest `wait` that the
	// API grants, an append, and some reserve.
	patience   = 30 * time.Second
	maxAnswer  = 32 << 20
	maxProblem = 1 << 20
)

// LocalPrefix is the path of the admin API on Caddy's own admin endpoint.
const LocalPrefix = "/curfew"

// ErrUnreachable says that an exchange with the gateway broke off.
var ErrUnreachable = errors.New("can't talk to the gateway")

// Client calls the admin API of one gateway. It needs a URL at least. Its
// fields must not change while it is used; its methods may be called
// concurrently.
type Client struct {
	// URL is where the API is, without /v1: https://admin.example.com.
	URL string
	// Name is the gateway in errors, with a hint for the reader where there is
	// one; empty: the URL.
	Name string
	// Secret returns the bearer secret. It is called for every request, so that
	// a secret can be replaced; nil: none is sent. See [SecretFile].
	Secret func() (string, error)
	// HTTP sends the requests; nil: as [http.DefaultTransport] does. Redirects
	// are never followed: key, secret and body are for this gateway.
	HTTP *http.Client
	// Endurance is for how long a write is sent again while that may help; 0: 25
	// s; negative: it is sent once.
	Endurance time.Duration

	origin string // what Caddy's admin endpoint wants with `enforce_origin`
}

// Local is a client of the API on Caddy's own admin endpoint, which wants no
// secret. Network and address are those of [net.Dial]: "tcp" and
// "localhost:2019", or "unix" and the path of a socket. It uses no proxy.
func Local(network, address string) *Client {
	c := &Client{URL: "http://127.0.0.1" + LocalPrefix, Name: address}
	if !strings.HasPrefix(network, "unix") {
		c.origin = "http://" + address
		c.URL = c.origin + LocalPrefix
	}
	c.HTTP = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: 5 * time.Second}
			return d.DialContext(ctx, network, address)
		},
	}}
	return c
}

// SecretFile reads a bearer secret from a file, anew for every request. As the
// gateway does, it leaves out the line break at the end.
func SecretFile(path string) func() (string, error) {
	return func() (string, error) {
		b, err := os.ReadFile(path)
		return string(bytes.TrimRight(b, "\r\n")), err
	}
}

// Answer is what the API answered, decoded and as it came.
type Answer[T any] struct {
	Value  T
	Raw    []byte // JSON
	Header http.Header
}

// Replayed reports whether an earlier request with the same idempotency key was
// done, and this is its outcome.
func (a *Answer[T]) Replayed() bool { return a.Header.Get("Idempotent-Replayed") == "true" }

// Read sends a request that changes nothing. The path begins with /v1. The body
// is nil or becomes JSON. Most calls have a method of [Client].
func Read[T any](ctx context.Context, c *Client, method, path string, body any) (answer Answer[T], _ error) {
	payload, err := encode(body)
	if err != nil {
		return answer, err
	}
	raw, header, err := c.exchange(ctx, method, path, payload)
	return decode[T](raw, header, err)
}

// Write sends a request that changes something, and sends it again while that
// may help. An empty idempotency key is replaced by a new one.
func Write[T any](ctx context.Context, c *Client, method, path string, body any, key string) (answer Answer[T], _ error) {
	payload, err := encode(body)
	if err != nil {
		return answer, err
	}
	if key == "" {
		key = rand.Text()
	}
	var raw []byte
	var header http.Header
	err = persist(ctx, key, c.endurance(), func() (err error) {
		raw, header, err = c.exchange(ctx, method, path, payload, field{"Idempotency-Key", key})
		return err
	})
	return decode[T](raw, header, err)
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	return b, nil
}

func decode[T any](raw []byte, header http.Header, err error) (answer Answer[T], _ error) {
	if err != nil {
		return answer, err
	}
	answer.Raw, answer.Header = raw, header
	if err := json.Unmarshal(raw, &answer.Value); err != nil {
		return answer, fmt.Errorf("reading the answer of the gateway: %w", err)
	}
	return answer, nil
}

// field is a header field of a request.
type field struct{ name, value string }

// exchange sends one request and reads the whole answer.
func (c *Client) exchange(ctx context.Context, method, path string, payload []byte, fields ...field) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if payload != nil {
		body = bytes.NewReader(payload)
		fields = append(fields, field{"Content-Type", "application/json"})
	}
	resp, err := c.open(ctx, method, path, body, fields...)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := bounded.Read(resp.Body, maxAnswer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: reading its answer: %w", ErrUnreachable, err)
	}
	return answer, resp.Header, nil
}

// open sends a request and returns the answer with its body unread, or a
// *Problem if it is not a success.
func (c *Client) open(ctx context.Context, method, path string, body io.Reader, fields ...field) (*http.Response, error) {
	req, err := c.request(ctx, method, path, body, fields)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	var sender http.Client
	if c.HTTP != nil {
		sender = *c.HTTP
	}
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := sender.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.name(), err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	answer, err := bounded.Read(resp.Body, maxProblem)
	if err != nil {
		return nil, fmt.Errorf("%w: reading its refusal: %w", ErrUnreachable, err)
	}
	return nil, problemOf(resp.StatusCode, resp.Header, answer)
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader, fields []field) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	if c.origin != "" {
		req.Header.Set("Origin", c.origin)
	}
	for _, f := range fields {
		req.Header.Set(f.name, f.value)
	}
	if c.Secret != nil {
		secret, err := c.Secret()
		if err != nil {
			return nil, fmt.Errorf("reading the secret: %w", err)
		}
		if secret == "" {
			return nil, errors.New("reading the secret: it is empty")
		}
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	return req, nil
}

func (c *Client) name() string {
	if c.Name != "" {
		return c.Name
	}
	return c.URL
}
