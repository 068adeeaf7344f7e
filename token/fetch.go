package token

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// How long one fetch may take: the discovery document is one, the key set
// another.
const (
	DefaultFetchTimeout = 5 * time.Second
	MaxFetchTimeout     = time.Minute
)

const (
	maxBody      = 1 << 20
	maxRedirects = 3
)

// FetchResult says in one word how a fetch of keys went. It is a metric label.
type FetchResult string

// The results of a fetch.
const (
	FetchOK          FetchResult = "ok"
	FetchUnreachable FetchResult = "unreachable" // no answer, or none in time
	FetchRefused     FetchResult = "refused"     // a status other than 200
	FetchMalformed   FetchResult = "malformed"   // not what was asked for
	FetchUnusable    FetchResult = "unusable"    // no key that may be used
)

// FetchResults lists every result, so that metrics can be pre-initialised.
func FetchResults() []FetchResult {
	return []FetchResult{FetchOK, FetchUnreachable, FetchRefused, FetchMalformed, FetchUnusable}
}

type fetchError struct {
	result FetchResult
	err    error
}

func (e *fetchError) Error() string { return e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

func failed(result FetchResult, format string, args ...any) error {
	return &fetchError{result, fmt.Errorf(format, args...)}
}

func resultOf(err error) FetchResult {
	var f *fetchError
	switch {
	case err == nil:
		return FetchOK
	case errors.As(err, &f):
		return f.result
	}
	return FetchUnreachable
}

// fetcher asks one provider for its keys.
type fetcher struct {
	issuer  string
	source  KeySource
	timeout atomic.Int64 // of each fetch, nanoseconds
	client  *http.Client
}

func newFetcher(issuer string, o KeySetOptions) *fetcher {
	if o.Transport == nil {
		o.Transport = newTransport(o.Source.asked(issuer), o.Roots)
	}
	f := &fetcher{issuer: issuer, source: o.Source, client: &http.Client{Transport: o.Transport, CheckRedirect: stayAtOrigin}}
	f.timeout.Store(int64(DefaultFetchTimeout))
	return f
}

// fetch reads the discovery document and then the key set it names. Both are
// read each time: a provider that moves its keys is followed, and what it no
// longer says is no longer believed.
func (f *fetcher) fetch(ctx context.Context) (*keyring, error) {
	address := f.source.JWKS
	if address == "" {
		var err error
		if address, err = f.jwksURI(ctx); err != nil {
			return nil, fmt.Errorf("reading the discovery document of %s: %w", f.issuer, err)
		}
	}
	read := f.get
	if f.source.IsFile() {
		read = readFile
	}
	body, err := read(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %s: %w", f.issuer, err)
	}
	ring, err := parseKeyring(body)
	if err != nil {
		result := FetchMalformed
		if errors.Is(err, errJWKSEmpty) {
			result = FetchUnusable
		}
		return nil, failed(result, "reading the keys of %s: %w", f.issuer, err)
	}
	return ring, nil
}

// jwksURI follows OpenID Connect Discovery, 4: the document's issuer has to be
// the configured one, byte for byte.
func (f *fetcher) jwksURI(ctx context.Context) (string, error) {
	body, err := f.get(ctx, cmp.Or(f.source.Discovery, strings.TrimSuffix(f.issuer, "/")+"/.well-known/openid-configuration"))
	if err != nil {
		return "", err
	}
	members, err := parseObject(body)
	if err != nil {
		return "", failed(FetchMalformed, "%w", err)
	}
	if issuer, _ := find(members, "issuer").text(); issuer != f.issuer {
		return "", failed(FetchMalformed, "its issuer is another one: configure the issuer exactly as the provider writes it")
	}
	address, _ := find(members, "jwks_uri").text()
	return address, f.mayAsk(address)
}

// mayAsk allows https, and http on loopback only where what we are configured to
// ask is there: a remote provider can't point us at this machine.
func (f *fetcher) mayAsk(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return failed(FetchMalformed, "jwks_uri is not an absolute URL")
	}
	if err := requireSecure(u); err != nil {
		return failed(FetchMalformed, "jwks_uri: %w", err)
	}
	if isLoopback(u.Hostname()) && !isLoopbackURL(f.source.asked(f.issuer)) {
		return failed(FetchMalformed, "jwks_uri is on loopback, and whoever names it is not")
	}
	return nil
}

func isLoopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isLoopback(u.Hostname())
}

// get reads a body of at most 1 MiB.
func (f *fetcher) get(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.timeout.Load()))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", failed(FetchMalformed, "making a request: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cache-Control", "no-cache")
	resp, err := f.client.Do(r)
	if err != nil {
		return "", failed(FetchUnreachable, "%w", withoutQuery(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", failed(FetchRefused, "the provider answered %d", resp.StatusCode)
	}
	return readAll(resp.Body)
}

// withoutQuery takes the query from the URL in an error: it may hold a secret.
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

func readFile(_ context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", failed(FetchUnreachable, "%w", err)
	}
	defer file.Close()
	return readAll(file)
}

func readAll(r io.Reader) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	switch {
	case err != nil:
		return "", failed(FetchUnreachable, "reading the answer: %w", err)
	case len(body) > maxBody:
		return "", failed(FetchMalformed, "the answer is longer than 1 MiB")
	}
	return string(body), nil
}

// stayAtOrigin follows redirects only within one origin: elsewhere the issuer
// does not speak.
func stayAtOrigin(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	case !sameOrigin(r.URL, via[0].URL):
		return errors.New("redirected to another origin")
	}
	return nil
}

// newTransport makes connections of its own: no proxy from the environment, no
// sharing with other users of the process. roots are those of the system if nil.
func newTransport(asked string, roots *x509.CertPool) *http.Transport {
	guard := dialGuard{loopback: isLoopbackURL(asked)}
	// Each fetch has a shorter time of its own; these end a dial that it left.
	dialer := &net.Dialer{Timeout: MaxFetchTimeout, Control: guard.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    MaxFetchTimeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
	}
}

// dialGuard refuses addresses where no provider lives, after the name was
// resolved and on every dial, so that no answer of a resolver leads there.
type dialGuard struct{ loopback bool }

func (g dialGuard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialling: %w", err)
	}
	if !g.allows(at.Addr()) {
		return errors.New("dialling: the name resolves to an address where no remote provider can be")
	}
	return nil
}

func (g dialGuard) allows(a netip.Addr) bool {
	a = a.Unmap()
	if b := a.As16(); a.Is6() && nat64.Contains(a) {
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.IsLoopback() {
		return g.loopback
	}
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && a != broadcast
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)
