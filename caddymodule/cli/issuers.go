package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"curfew.dev/curfew/adminclient"
	"curfew.dev/curfew/internal/printable"
)

// issuersPath is where Caddy shows the issuers of the running configuration.
const issuersPath = "/config/apps/curfew/issuers"

// issuers lists the issuers that the gateway is configured with.
func (g *gateway) issuers(ctx context.Context) ([]string, error) {
	endpoint := *g.Client
	endpoint.URL = strings.TrimSuffix(endpoint.URL, adminclient.LocalPrefix)
	configured, err := adminclient.Read[[]struct {
		URL string `json:"url"`
	}](ctx, &endpoint, http.MethodGet, issuersPath, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for the issuers: %w", err)
	}
	var urls []string
	for _, i := range configured.Value {
		urls = append(urls, i.URL)
	}
	return urls, nil
}

func (g *gateway) onlyIssuer(ctx context.Context) (string, error) {
	urls, err := g.issuers(ctx)
	switch {
	case err != nil:
		return "", err
	case len(urls) == 0:
		return "", errors.New("this gateway has no issuer: configure one, then name it with --iss")
	case len(urls) > 1:
		return "", fmt.Errorf("this gateway has %d issuers, name one with --iss: %s", len(urls), printable.Text(strings.Join(urls, ", ")))
	}
	return urls[0], nil
}
