package token

import (
	"context"
	"errors"
	"fmt"
	"os"

	"curfew.dev/curfew/internal/outbound"
)

// How long one fetch may take: the discovery document is one, the key set
// another.
const (
	DefaultFetchTimeout = outbound.DefaultTimeout
	MaxFetchTimeout     = outbound.MaxTimeout
)

// FetchResult says in one word how a fetch of keys went. It is a metric label.
type FetchResult string

// The results of a fetch.
const (
	FetchOK          FetchResult = "ok"
	FetchUnreachable FetchResult = "unreachable" // no answer, or none in time
	FetchRefused     FetchResult = "refused"     // a status other than 200
	FetchMalformed   FetchResult = "malformed"   // not a document of the right kind, or too long
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
	var status *outbound.StatusError
	switch {
	case err == nil:
		return FetchOK
	case errors.As(err, &f):
		return f.result
	case errors.As(err, &status):
		return FetchRefused
	case errors.Is(err, outbound.ErrAddress), errors.Is(err, outbound.ErrTooLong):
		return FetchMalformed
	}
	return FetchUnreachable
}

// fetcher asks one provider for its keys.
type fetcher struct {
	issuer    string
	source    KeySource
	documents []WellKnown
	client    *outbound.Client
}

func newFetcher(issuer string, o KeySetOptions) *fetcher {
	if o.Documents == nil {
		o.Documents = []WellKnown{OpenIDProvider, AuthorizationServer}
	}
	return &fetcher{
		issuer:    issuer,
		source:    o.Source,
		documents: o.Documents,
		client:    outbound.New(o.Source.asked(issuer), outbound.Options{Transport: o.Transport, Roots: o.Roots}),
	}
}

// fetch reads the discovery document and then the key set it names. Both are
// read each time: a provider may move its keys, and the document that it had before
// must not be believed any longer.
func (f *fetcher) fetch(ctx context.Context) (*keyring, error) {
	address := f.source.JWKS
	if address == "" {
		var err error
		if address, err = f.jwksURI(ctx); err != nil {
			return nil, fmt.Errorf("reading the discovery document of %s: %w", f.issuer, err)
		}
	}
	read := f.client.Get
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

func (f *fetcher) jwksURI(ctx context.Context) (string, error) {
	addresses := []string{f.source.Discovery}
	if f.source.Discovery == "" {
		addresses = nil
		for _, d := range f.documents {
			addresses = append(addresses, d.URL(f.issuer))
		}
	}
	m, err := ReadMetadata(ctx, f.client, f.issuer, addresses...)
	if err != nil {
		return "", err
	}
	address := m.Text("jwks_uri")
	if err := f.client.Allows(address); err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	return address, nil
}

func readFile(_ context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return outbound.ReadBody(file)
}
