package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/ledger/nats"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token/tokentest"
)

// limits are those of a receipt or preview.
func limits(receipt map[string]any) (all []string) {
	for _, l := range receipt["limits"].([]any) {
		all = append(all, l.(string))
	}
	return all
}

// read asks for a receipt again.
func (g *gateway) read(receipt map[string]any) (now map[string]any) {
	g.t.Helper()
	a := g.call(helpdesk, http.MethodGet, "/v1/revocations/"+receipt["id"].(string), nil)
	if a.StatusCode != 200 || json.Unmarshal([]byte(a.body), &now) != nil {
		g.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return now
}

// lenient is the configuration of most tests, for an issuer with further options.
func lenient(options string) string {
	return strings.Replace(global, "audience api\n", "audience api\n\t\t\taccept access_token lenient id_token\n\t\t\t"+options+"\n", 1)
}

// A sign-out that misses some tokens says so, whether these tokens were seen
// before it or after it.
func TestASignOutThatHitsNothingHasALimit(t *testing.T) {
	g := start(t, lenient(""), guarded("", ""))
	for limit, c := range map[string]struct {
		target  map[string]string
		without string
	}{
		"no_client_id": {map[string]string{"sub": "without-client_id", "client_id": "web"}, "client_id"},
		"no_sid":       {map[string]string{"sid": "sid-sam"}, "sid"},
		"no_jti":       {map[string]string{"jti": "j"}, "jti"},
	} {
		c.target["iss"] = g.issuer.URL
		early := g.revoke(c.target)
		if got := limits(early); slices.Contains(got, limit) {
			t.Errorf("%s is said before any token was seen: %v", limit, got)
		}
		escapes := g.token("without-"+c.without, tokentest.Claims{c.without: nil})
		if got := g.get("/", escapes).StatusCode; got != 200 {
			t.Errorf("a token without %s: %d", c.without, got)
		}
		if got := limits(g.revoke(c.target)); !slices.Contains(got, limit) {
			t.Errorf("%s is not said: %v", limit, got)
		}
		if got := limits(g.read(early)); !slices.Contains(got, limit) {
			t.Errorf("%s is not said of the earlier one: %v", limit, got)
		}
		if got := g.get("/", escapes).StatusCode; got != 200 {
			t.Errorf("a token without %s, after the sign-out: %d", c.without, got)
		}
	}
	// Another configuration of the same gateway knows it too.
	g.load(lenient("")+"\n", guarded("optional", ""))
	if got := limits(g.revoke(map[string]string{"iss": g.issuer.URL, "sid": "sid-sam"})); !slices.Contains(got, "no_sid") {
		t.Errorf("after a reload: %v", got)
	}
}

// The receipts of the other nodes include the facts that one node has seen.
func TestTheLimitsOfAClusterAreThoseOfAllNodes(t *testing.T) {
	g, servers := startClustered(t, "")
	dir, seen := t.TempDir(), revocation.FactsOf(revocation.AccessToken, &revocation.Credential{Client: "web", AuthTime: 1})
	other := node.New(node.Config{
		Name: "edge-2", Instance: "bare", Facts: func() map[string]uint64 { return map[string]uint64{g.issuer.URL: uint64(seen)} },
		Open: func() (ledger.Ledger, error) {
			return nats.Open(nats.Options{
				URLs: servers.URLs(), Stream: "TEST", Replicas: 1, Dir: dir, Node: "edge-2/bare", OnEmpty: local.Start,
			})
		},
	})
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	early := g.revoke(map[string]string{"iss": g.issuer.URL, "sid": "s"})
	eventually(t, "the receipt says what the other node has seen", func() bool { return slices.Contains(limits(g.read(early)), "no_sid") })
	if got := limits(g.revoke(map[string]string{"iss": g.issuer.URL, "jti": "j"})); !slices.Equal(got, []string{"no_jti"}) {
		t.Errorf("limits %v", got)
	}
	g.get("/", g.token("alice", tokentest.Claims{"device_id": nil}))
	eventually(t, "the other node knows what this one has seen", func() bool {
		return revocation.Facts(other.FactsElsewhere(g.issuer.URL)).Lack(revocation.AccessToken, revocation.FactDevice)
	})
}

// An exempt client is the one that cuts are matched with: where its name is in
// another claim, the configuration says which, and until it does the receipt says
// that nobody is sure to be exempt.
func TestAnExemptClientIsTheOneThatIsMatched(t *testing.T) {
	g := start(t, lenient(""), guarded("", ""))
	console := func() string {
		return g.token("alice", tokentest.Claims{"client_id": nil, "cid": "xbox-console"})
	}
	before := console()
	if got := g.get("/", before).StatusCode; got != 200 {
		t.Fatalf("before: %d", got)
	}
	receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})
	if got := g.get("/", before).StatusCode; got != 401 || !slices.Contains(limits(receipt), "no_client_id") {
		t.Errorf("%d, limits %v", got, limits(receipt))
	}
	g.load(lenient("client_claim cid client_id"), guarded("", ""))
	g.awaitReady()
	if got := g.get("/", before).StatusCode; got != 200 {
		t.Errorf("the exempt client, once its claim is configured: %d", got)
	}
	g.get("/", g.token("bob"))
	receipt = g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "bob"})
	if got := limits(receipt); slices.Contains(got, "no_client_id") {
		t.Errorf("limits %v though every token that was read by this configuration has a client", got)
	}
	// One app of the user, by the claim that names it.
	g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice", "client_id": "xbox-console"})
	if got := g.get("/", before).StatusCode; got != 401 {
		t.Errorf("the app that was signed out: %d", got)
	}
}

// If only ID tokens are accepted, the configuration names all clients.
func TestAClientThatNoTokenCanNameIsUnenforceable(t *testing.T) {
	only := strings.Replace(global, "audience api\n", "audience api\n\t\t\taccept id_token\n", 1)
	g := start(t, only, guarded("", ""))
	ask := func(client string) answer {
		return g.call(helpdesk, http.MethodPost, "/v1/revocations", map[string]any{
			"target": map[string]string{"iss": g.issuer.URL, "sub": "alice", "client_id": client},
		})
	}
	if a := ask("wbe"); a.StatusCode != 422 || a.problem() != "urn:curfew:unenforceable" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := ask("web"); a.StatusCode != 201 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	// Callers of the admin API have access tokens, of any client.
	g.load(only, strings.Replace(guarded("", ""), helpdesk,
		helpdesk+"\n\t\toidc ISSUER {\n\t\t\taudience adm\n\t\t\trole read scope x\n\t\t}", 1))
	if a := ask("wbe"); a.StatusCode != 201 {
		t.Errorf("where a token of that client may call the admin API: %d %s", a.StatusCode, a.body)
	}
}

// A machine has no sign-in: require_auth_time lets its tokens pass, a sign-out
// refuses those that were issued before, and the receipt says that the next is
// not.
func TestAMachineIsCutByWhenItsTokenWasIssued(t *testing.T) {
	g := start(t, lenient("require_auth_time\n\t\t\tmachine_clients batch"), guarded("", ""))
	for name, c := range map[string]struct{ sub, client string }{
		"its own subject": {"cron", "cron"},
		"by name":         {"service-account-7", "batch"},
	} {
		of := func(iat time.Time) string {
			return g.token(c.sub, tokentest.Claims{
				"auth_time": nil, "sid": nil, "device_id": nil, "client_id": c.client, "iat": iat.Unix(),
			})
		}
		old := of(time.Now().Add(-time.Minute))
		if got := g.get("/", old).StatusCode; got != 200 {
			t.Fatalf("%s: %d", name, got)
		}
		at := time.Now().Add(-10 * time.Second)
		receipt := g.revoke(map[string]string{"iss": g.issuer.URL, "sub": c.sub}, map[string]any{"at": at.Format(time.RFC3339)})
		if got := limits(receipt); !slices.Equal(got, []string{"no_auth_time"}) {
			t.Errorf("%s: limits %v", name, got)
		}
		if a := g.get("/", old); a.StatusCode != 401 || a.problem() != "urn:curfew:revoked" {
			t.Errorf("%s, the old token: %d %s", name, a.StatusCode, a.body)
		}
		if got := g.get("/", of(time.Now())).StatusCode; got != 200 {
			t.Errorf("%s, a new token: %d", name, got)
		}
	}
	if got := g.get("/", g.token("alice", tokentest.Claims{"auth_time": nil})).StatusCode; got != 401 {
		t.Errorf("a person's token without auth_time: %d", got)
	}
	if got := limits(g.revoke(map[string]string{"iss": g.issuer.URL, "sub": "alice"})); len(got) != 0 {
		t.Errorf("limits %v of a person's sign-out", got)
	}
}

// The guards find a token in the cache that explain has verified.
func TestATokenThatWasExplainedIsSeen(t *testing.T) {
	g := start(t, lenient(""), guarded("", ""))
	raw := g.token("alice", tokentest.Claims{"sid": nil})
	if a := g.call(helpdesk, http.MethodPost, "/v1/explain", map[string]string{"token": raw}); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if got := g.get("/", raw).StatusCode; got != 200 {
		t.Fatalf("%d", got)
	}
	if got := limits(g.revoke(map[string]string{"iss": g.issuer.URL, "sid": "s"})); !slices.Contains(got, "no_sid") {
		t.Errorf("limits %v", got)
	}
}
