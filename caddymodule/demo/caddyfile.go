package demo

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

//go:embed Caddyfile
var caddyfile string

// fillIn writes where everything is into the Caddyfile.
func fillIn(dir directory, p places, service, admin string, verbose bool) string {
	level := "ERROR"
	if verbose {
		level = "INFO"
	}
	return strings.NewReplacer(
		"{$CADDY_ADMIN}", admin,
		"{$LOG_LEVEL}", level,
		"{$ISSUER}", urlOf(p.issuer.Addr().String()),
		"{$SERVICE}", service,
		"{$APP_PORT}", portOf(p.app),
		"{$API_PORT}", portOf(p.api),
		"{$HEALTH_PORT}", portOf(p.health),
		"{$DIR}", filepath.ToSlash(dir.path),
	).Replace(caddyfile)
}

// adapt turns a Caddyfile into Caddy's JSON.
func adapt(text string) ([]byte, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	if adapter == nil {
		return nil, errors.New("this Caddy was built without the Caddyfile: build it with its standard modules")
	}
	config, _, err := adapter.Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return nil, fmt.Errorf("adapting the Caddyfile: %w", err)
	}
	return config, nil
}
