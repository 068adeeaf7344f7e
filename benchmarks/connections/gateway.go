package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew"
	"curfew.dev/curfew/benchmarks/rig"
)

// runGateway runs Caddy with the configuration from its environment.
func runGateway(ctx context.Context) error {
	caddy.TrapSignals()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(os.Getenv("CADDYFILE")), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	if err := caddy.Load(adapted, true); err != nil {
		return err
	}
	for deadline := time.Now().Add(rig.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(os.Getenv("READY"))
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				fmt.Println("ready")
				<-ctx.Done()
				select {} // Caddy ends the process
			}
		}
	}
	return fmt.Errorf("the gateway is not ready: %w", err)
}

const caddyfile = `{
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	log {
		output discard
	}
	servers {
		protocols h1 h2c
	}
	curfew {
		issuer ISSUER {
			audience api
			tenant_claim tid
		}
		ledger local LEDGER
		on_empty start
		node_name edge-1
	}
}
http://APP {
	GUARD
	@http2 {
		path /sse
		protocol http/2+
	}
	reverse_proxy @http2 h2c://UPSTREAM
	reverse_proxy UPSTREAM
}
http://API {
	curfew_admin {
		token bench break_glass SECRET
	}
}
http://HEALTH {
	curfew_health
}
`
