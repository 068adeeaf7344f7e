package admin

import (
	"strings"
	"testing"

	"curfew.dev/curfew/node"
)

func TestExplain(t *testing.T) {
	g := newGateway(t)
	var got Explanation
	g.as(readToken).post("/v1/explain", `{"token":"`+canary+`"}`).want(200).into(&got)
	if got.Decision != "refuse" || got.Reason != "signed-out" || len(got.Rules) != 1 {
		t.Errorf("%+v", got)
	}
	if p := g.post("/v1/explain", `{"token":"x","policies":["billing"]}`).want(422, "unknown-policy").problem(); !strings.Contains(p.Detail, "billing") {
		t.Errorf("%+v", p)
	}
	for _, body := range []string{`{"token":""}`, `{}`, `{"token":["` + canary + `"]}`, `{"token":"` + strings.Repeat(canary, 10000) + `"}`} {
		if got := g.post("/v1/explain", body).want(422, "invalid-request"); strings.Contains(got.Body.String(), canary) {
			t.Errorf("the token comes back: %.200s", got.Body)
		}
	}
	if got := g.post("/v1/explain", `{"token":"broken"}`).want(500, "internal"); strings.Contains(got.Body.String(), canary) {
		t.Errorf("an error comes out: %s", got.Body)
	}
	if strings.Contains(g.log.String(), canary) {
		t.Error("the audit holds a token")
	}
	without := newGateway(t, func(c *Config) { c.Explain = nil })
	without.post("/v1/explain", `{"token":"x"}`).want(501, "not-available")
}

func TestNodes(t *testing.T) {
	g := newGateway(t)
	if body := g.as(readToken).do("GET", "/v1/nodes", "").want(200).Body.String(); !strings.Contains(body, `"node":"edge-1/t"`) || !strings.Contains(body, `"position":"1.1"`) {
		t.Errorf("%s", body)
	}
	other := newGateway(t, func(c *Config) { c.ExpectNodes = 3 })
	other.node.Configure(node.Settings{Version: "v1", ConfigDigest: "ab12"})
	body := other.do("GET", "/v1/nodes", "").want(200).Body.String()
	if !strings.Contains(body, `"version":"v1"`) || !strings.Contains(body, `"config_digest":"ab12"`) || !strings.Contains(body, `"expected":3`) {
		t.Errorf("%s", body)
	}
}

func TestReceiptsThatAreNotThere(t *testing.T) {
	g := newGateway(t)
	block := g.post("/v1/blocks", alice()).receipt()
	for _, id := range []string{"rev_1.99.0", "rev_1.1.1", "rev_2.1.0", block.ID, strings.Replace(block.ID, "blk_", "rev_", 1), "lft_1.1.0"} {
		g.do("GET", "/v1/revocations/"+id, "").want(404, "not-found")
	}
	// The genesis. This one trusted what existed, so it is no cut.
	if genesis := g.do("GET", "/v1/revocations/rev_1.1.0", "").want(200).receipt(); genesis.Mode != "" || genesis.At != nil {
		t.Errorf("the genesis is %+v", genesis)
	}
}
