package docs_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"curfew.dev/curfew/internal/gatewaytest"
)

func adapt(t *testing.T, where, text string) []byte {
	t.Helper()
	adapted, warnings, err := gatewaytest.Adapt(text)
	if err != nil {
		t.Fatalf("%s does not adapt: %v\n%s", where, err, text)
	}
	for _, w := range warnings {
		t.Errorf("%s: %s", where, w)
	}
	return adapted
}

// What readers copy is formatted and can be loaded as far as it goes.
func TestCaddyfiles(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			if b.language != "caddyfile" {
				continue
			}
			found++
			if formatted := caddyfile.Format([]byte(b.text)); !bytes.Equal(formatted, []byte(b.text)) {
				t.Errorf("%s: `caddy fmt` would make it\n%s", p.path, formatted)
			}
			adapt(t, p.path, b.text)
		}
	}
	if found < 5 {
		t.Errorf("%d Caddyfiles: the blocks are not found", found)
	}
}

// JSON is JSON, and a configuration in it is valid.
func TestJSON(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	configs := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			if b.language != "json" {
				continue
			}
			if !json.Valid([]byte(b.text)) {
				t.Errorf("%s: not JSON:\n%s", p.path, b.text)
			}
			if !strings.Contains(b.text, `"apps"`) {
				continue
			}
			configs++
			if err := gatewaytest.Validate([]byte(b.text)); err != nil {
				t.Errorf("%s: %v\n%s", p.path, err, b.text)
			}
		}
	}
	if configs == 0 {
		t.Error("no configuration in JSON was found")
	}
}
