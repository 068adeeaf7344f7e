package demo

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddyfmt "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCaddyfileIsFormatted(t *testing.T) {
	if formatted := caddyfmt.Format([]byte(caddyfile)); !bytes.Equal(formatted, []byte(caddyfile)) {
		t.Errorf("`caddy fmt` would make it\n%s", formatted)
	}
}

// The modules are registered by the external half of these tests.
func TestCaddyfileAdapts(t *testing.T) {
	places, err := findPlaces(0)
	if err != nil {
		t.Fatal(err)
	}
	defer places.close()
	text := fillIn(directory{path: "/tmp/a demo"}, places, "http://127.0.0.1:9000", places.admin, false)
	if strings.Contains(text, "{$C") || strings.Contains(text, "{$D") {
		t.Errorf("something is not filled in:\n%s", text)
	}
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	var adapted struct {
		Admin struct {
			Listen string
			Config struct{ Persist *bool }
		}
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Listen []string }
			}
			Curfew struct {
				OnEmpty string `json:"on_empty"`
				Issuers []struct {
					ClockSkew int64 `json:"clock_skew"`
				}
			}
		}
	}
	if err := json.Unmarshal(config, &adapted); err != nil {
		t.Fatal(err)
	}
	if p := adapted.Admin.Config.Persist; adapted.Admin.Listen != places.admin || p == nil || *p {
		t.Error("Caddy's admin endpoint is elsewhere, or it saves its configuration")
	}
	if len(adapted.Apps.HTTP.Servers) != 3 {
		t.Errorf("%d servers", len(adapted.Apps.HTTP.Servers))
	}
	for name, server := range adapted.Apps.HTTP.Servers {
		for _, address := range server.Listen {
			if host, _, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" {
				t.Errorf("%s listens on %s", name, address)
			}
		}
	}
	curfew := adapted.Apps.Curfew
	if curfew.OnEmpty != "start" || len(curfew.Issuers) != 1 || curfew.Issuers[0].ClockSkew != int64(clockSkew) {
		t.Errorf("%+v: the story counts on another configuration", curfew)
	}
}
