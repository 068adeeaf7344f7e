package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"curfew.dev/curfew/internal/outbound"
	"curfew.dev/curfew/internal/strictjson"
)

// WellKnown is the name of a document in which an issuer describes itself, below
// /.well-known/ (RFC 8615).
type WellKnown string

// The documents of a provider.
const (
	OpenIDProvider      WellKnown = "openid-configuration"       // OpenID Connect Discovery, 4
	AuthorizationServer WellKnown = "oauth-authorization-server" // RFC 8414, 3
)

// URL is where an issuer has the document. Its name comes before the issuer's
// path (RFC 8414, 3.1), and that of [OpenIDProvider] after it (OpenID Connect
// Discovery, 4.1).
func (w WellKnown) URL(issuer string) string {
	issuer = strings.TrimSuffix(issuer, "/")
	name := "/.well-known/" + string(w)
	u, err := url.Parse(issuer)
	if w == OpenIDProvider || err != nil {
		return issuer + name
	}
	path := u.EscapedPath()
	return strings.TrimSuffix(issuer, path) + name + path
}

// Metadata is what a document says of its issuer. Its values are not checked.
type Metadata struct{ members strictjson.Object }

// Text is the value of a member that is a string; empty if there is none.
func (m Metadata) Text(name string) string {
	text, _ := m.members.Value(name).Text()
	return text
}

// Texts are the values of a member that is a list of strings; ok tells whether
// there is one.
func (m Metadata) Texts(name string) (values []string, ok bool) { return m.members.Value(name).Texts() }

// True reports whether a member is true.
func (m Metadata) True(name string) bool { return m.members.Value(name) == "true" }

// ReadMetadata reads the first of the documents at these addresses that exists:
// the next one is asked for only where the answer is 404. The document's issuer
// has to be the given one, byte for byte (OpenID Connect Discovery, 4.3; RFC
// 8414, 3.3). Members that a reader could take in two ways are an error.
func ReadMetadata(ctx context.Context, c *outbound.Client, issuer string, addresses ...string) (Metadata, error) {
	var missing []string
	for _, address := range addresses {
		body, err := c.Get(ctx, address)
		var status *outbound.StatusError
		if errors.As(err, &status) && status.Code == http.StatusNotFound && len(missing) < len(addresses)-1 {
			missing = append(missing, address)
			continue
		}
		m, err := parseMetadata(issuer, body, err)
		if err != nil && missing != nil {
			err = fmt.Errorf("there is none at %s, and at %s: %w", strings.Join(missing, " or "), address, err)
		}
		return m, err
	}
	return Metadata{}, errors.New("no document to read is named")
}

func parseMetadata(issuer, body string, err error) (Metadata, error) {
	if err != nil {
		return Metadata{}, err
	}
	members, err := parseObject(body)
	if err != nil {
		return Metadata{}, failed(FetchMalformed, "%w", err)
	}
	m := Metadata{members}
	if m.Text("issuer") != issuer {
		return Metadata{}, failed(FetchMalformed, "its issuer is another one: configure the issuer exactly as the provider writes it")
	}
	return m, nil
}
