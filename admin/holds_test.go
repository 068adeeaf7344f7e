package admin

import (
	"slices"
	"strings"
	"testing"

	"curfew.dev/curfew/revocation"
)

func TestBlocks(t *testing.T) {
	g := newGateway(t)
	mallory := revocation.Credential{Issuer: issuer, Subject: "alice", Client: "xbox-console"}
	got := g.as(writeToken).post("/v1/blocks", text(object{"target": object{"iss": issuer, "sub": "alice"}, "reason": "taken over"})).want(201)
	block := got.receipt()
	if !strings.HasPrefix(block.ID, "blk_") || block.Reason != "taken over" || block.Mode != "" || block.Enforcement.State != "enforced" {
		t.Errorf("receipt %s", got.Body)
	}
	if !g.refused(mallory) {
		t.Error("not blocked")
	}
	second := g.post("/v1/blocks", alice()).want(201).receipt().ID
	lift := g.as(writeToken).do("DELETE", "/v1/blocks/"+block.ID, "").want(200).receipt()
	if lift.Lifts != block.ID || !strings.HasPrefix(lift.ID, "lft_") {
		t.Errorf("lift %+v", lift)
	}
	if !g.refused(mallory) {
		t.Error("another block of the target should hold")
	}
	before := g.count()
	if again := g.do("DELETE", "/v1/blocks/"+block.ID, "").want(200).receipt(); again.ID != lift.ID {
		t.Errorf("lifted again by %s, first by %s", again.ID, lift.ID)
	}
	if g.count() != before {
		t.Error("lifting again was written")
	}
	var found struct {
		Items []struct{ ID, State string }
	}
	g.as(readToken).post("/v1/blocks/search", text(object{"iss": issuer, "sub": "alice"})).want(200).into(&found)
	if len(found.Items) != 2 || found.Items[0].ID != second || found.Items[0].State != "in_force" ||
		found.Items[1].ID != block.ID || found.Items[1].State != "lifted" {
		t.Errorf("found %+v", found)
	}
	g.do("DELETE", "/v1/blocks/"+second, "").want(200)
	if g.refused(mallory) {
		t.Error("still blocked")
	}
}

func TestLiftingWhatIsNotThere(t *testing.T) {
	g := newGateway(t)
	cut := g.post("/v1/revocations", alice()).receipt().ID
	stepUp := g.post("/v1/step-ups", alice()).receipt().ID
	before := g.count()
	for _, id := range []string{
		"blk_1.99.0", "blk_1.2.0", "blk_1.2.1", "blk_9.1.0", "blk_01.2.0", "blk_", "x", cut, stepUp, strings.Replace(stepUp, "stp_", "blk_", 1),
		"blk_18446744073709551615.18446744073709551615.65535", "..", "blk_1.2.0%00", "%2e%2e",
	} {
		g.do("DELETE", "/v1/blocks/"+id, "").want(404, "not-found")
	}
	g.do("DELETE", "/v1/step-ups/"+cut, "").want(404, "not-found")
	if g.count() != before {
		t.Error("something was written")
	}
}

func TestStepUps(t *testing.T) {
	g := newGateway(t)
	got := g.post("/v1/step-ups", text(object{"target": object{"iss": issuer, "sub": "alice"}, "acr": []string{"mfa", "phr"}, "amr": []string{"hwk"}})).want(201).receipt()
	if got.Routes != "all" || !slices.Equal(got.ACR, []string{"mfa", "phr"}) || !slices.Equal(got.AMR, []string{"hwk"}) || got.At == nil {
		t.Errorf("%+v", got)
	}
	if r := g.last(); r.Type != revocation.StepUp || r.Sensitive || r.Through != g.now().Unix()+2 {
		t.Errorf("record %+v", r)
	}
	sensitive := g.post("/v1/step-ups", text(object{"target": object{"iss": issuer, "sub": "alice"}, "routes": "sensitive"})).want(201).receipt()
	if sensitive.Routes != "sensitive" || !g.last().Sensitive {
		t.Errorf("%+v", sensitive)
	}
	for _, id := range []string{got.ID, sensitive.ID} {
		g.do("DELETE", "/v1/step-ups/"+id, "").want(200)
	}
	if g.refused(revocation.Credential{Issuer: issuer, Subject: "alice"}) {
		t.Error("a step-up is left")
	}
	var found struct{ Items []struct{ State string } }
	g.post("/v1/step-ups/search", `{}`).want(200).into(&found)
	if len(found.Items) != 2 || found.Items[0].State != "lifted" {
		t.Errorf("found %+v", found)
	}
}

// A challenge is a quoted list: what could end the quote is refused.
func TestStepUpsHoldOnlyWhatAChallengeCanCarry(t *testing.T) {
	g := newGateway(t)
	for _, value := range []any{"", "a b", `a"`, `a\`, "a\r\nSet-Cookie: x", "é", strings.Repeat("a", 256), nil, 1} {
		for _, member := range []string{"acr", "amr"} {
			got := g.post("/v1/step-ups", text(object{"target": object{"iss": issuer, "sub": "a"}, member: []any{value}}))
			if got.Code != 400 && got.Code != 422 {
				t.Errorf("%s %v: %d", member, value, got.Code)
			}
		}
	}
	for _, routes := range []any{"some", "", nil, 1} {
		if got := g.post("/v1/step-ups", text(object{"target": object{"iss": issuer, "sub": "a"}, "routes": routes})); got.Code != 400 && got.Code != 422 {
			t.Errorf("routes %v: %d", routes, got.Code)
		}
	}
	g.post("/v1/step-ups", text(object{"target": object{"iss": issuer, "sub": "a"}, "acr": strings.Fields(strings.Repeat("x ", 17))})).want(422)
	if g.count() != 1 {
		t.Error("something was written")
	}
}
