package docs_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/internal/porttest"
	"curfew.dev/curfew/token/tokentest"
)

const secret = "secret-of-the-docs-tests"

const config = `{
	admin off
	persist_config off
	auto_https off
	log {
		level ERROR
	}
	curfew {
		issuer ISSUER {
			audience api
		}
		sign_in staff {
			client_id web
		}
		ledger local DIR
		on_empty start
	}
}

http://127.0.0.1:PORT {
	metrics /metrics
	curfew_health
	@api path /v1/*
	curfew_admin @api {
		token docs write ` + secret + `
	}
	handle /guarded {
		curfew
		respond ok
	}
}
`

// startGateway runs a gateway in this process until the test ends, and returns
// where it is. It has refused one request and taken one call.
func startGateway(t *testing.T) string {
	t.Helper()
	gatewaytest.OwnDirectories(t)
	port := porttest.Keep(t, 1)[0]
	text := strings.NewReplacer("ISSUER", tokentest.Start(t).URL, "DIR", t.TempDir(), "PORT", port).Replace(config)
	gatewaytest.Load(t, adapt(t, "the test's Caddyfile", text))
	url := "http://127.0.0.1:" + port
	gatewaytest.AwaitReady(t, url+"/readyz")
	if got := ask(t, url+"/guarded", ""); got != http.StatusUnauthorized {
		t.Fatalf("without a credential: %d", got)
	}
	if got := ask(t, url+"/v1/nodes", secret); got != http.StatusOK {
		t.Fatalf("the admin API answers %d", got)
	}
	return url
}

func ask(t *testing.T, url, bearer string) int {
	t.Helper()
	status, _ := get(t, url, bearer)
	return status
}

func get(t *testing.T, url, bearer string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func scrape(t *testing.T, url string) map[string]form {
	t.Helper()
	status, text := get(t, url+"/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("scraping: %d %s", status, text)
	}
	return parseMetrics(text)
}
