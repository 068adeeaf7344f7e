package caddymodule_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

const claimMissing = "urn:curfew:claim-missing"

// A route may ask for claims, in a policy and in a guard: all lines, any value of a
// line.
func TestARouteAsksForClaims(t *testing.T) {
	staff := strings.Replace(global, "policy billing {", "policy staff {\n\t\t\tclaim groups staff *-admins\n\t\t}\n\t\tpolicy billing {", 1)
	g := prepare(t)
	g.logTo = filepath.Join(t.TempDir(), "log")
	g.load(staff, `
http://127.0.0.1:APPPORT {
	log
	@company path /company /billing
	curfew @company {
		claim email *@example.com
		claim level 3 4
		claim tid contoso fabrikam
	}
	@any path /any
	curfew @any {
		claim email *@example.com unverified
	}
	@billing path /billing
	curfew @billing staff
	@staff path /staff
	curfew @staff staff {
		scope read
		refusal handle_errors
	}
	reverse_proxy UPSTREAM
	handle_errors {
		respond "{http.curfew.reason}" {err.status_code}
	}
}
`+operatorSites)
	g.awaitReady()
	verified := tokentest.Claims{"email": "alice@example.com", "email_verified": true, "level": 3}
	for n, c := range []struct {
		path   string
		claims tokentest.Claims
		status int
		body   string
	}{
		{"/staff", nil, 403, "claim-missing"},
		{"/staff", tokentest.Claims{"groups": []string{"guests", "staff"}}, 200, ""},
		{"/staff", tokentest.Claims{"groups": "staff"}, 200, ""},
		{"/staff", tokentest.Claims{"groups": "db-admins"}, 200, ""},
		{"/staff", tokentest.Claims{"groups": "guests staff"}, 403, "claim-missing"},
		{"/staff", tokentest.Claims{"groups": []string{"Staff", " staff", "staff ", "staff\u200b", "ѕtaff"}}, 403, "claim-missing"},
		{"/staff", tokentest.Claims{"groups": map[string]any{"staff": "staff"}}, 403, "claim-missing"},
		{"/staff", tokentest.Claims{"groups": [][]string{{"staff"}}}, 403, "claim-missing"},
		{"/staff", tokentest.Claims{"groups": nil}, 403, "claim-missing"},
		{"/staff", tokentest.Claims{"groups": []any{nil, 1, true, "staff"}}, 200, ""},
		{"/staff", tokentest.Claims{"groups": "guests", "scope": "write"}, 403, "insufficient-scope"},
		{"/company", verified, 200, ""},
		{"/company", tokentest.Claims{"level": "4"}, 403, claimMissing},
		{"/company", tokentest.Claims{"email_verified": nil}, 403, claimMissing},
		{"/company", tokentest.Claims{"email_verified": false}, 403, claimMissing},
		{"/company", tokentest.Claims{"email_verified": "true"}, 403, claimMissing},
		{"/company", tokentest.Claims{"email_verified": 1}, 403, claimMissing},
		{"/company", tokentest.Claims{"email_verified": []bool{true}}, 403, claimMissing},
		{"/company", tokentest.Claims{"email": "alice@example.com.example.net", "email_verified": true, "level": 3}, 403, claimMissing},
		{"/company", tokentest.Claims{"email": []string{"alice@example.com"}, "email_verified": true, "level": 4}, 200, ""},
		{"/company", tokentest.Claims{"email": "alice@example.com", "email_verified": true, "level": 3, "tid": "other"}, 403, claimMissing},
		{"/company", tokentest.Claims{"email": "alice@example.com", "email_verified": true, "level": 30}, 403, claimMissing},
		{"/any", tokentest.Claims{"email": "alice@example.com"}, 200, ""},
		{"/any", tokentest.Claims{"email": ""}, 403, claimMissing},
		// Of two guards, both are met.
		{"/billing", verified, 403, claimMissing},
		{"/billing", tokentest.Claims{"email": "alice@example.com", "email_verified": true, "level": 3, "groups": "staff"}, 200, ""},
	} {
		token := g.token(fmt.Sprint("alice-", n), c.claims)
		for _, try := range []string{"first", "cached"} {
			a := g.get(c.path, token)
			if a.StatusCode != c.status || c.status != 200 && !strings.Contains(a.body, c.body) {
				t.Errorf("%s with %v, %s: %d %s", c.path, c.claims, try, a.StatusCode, a.body)
			}
			if len(a.Header["Www-Authenticate"]) > 0 && c.body != "insufficient-scope" {
				t.Errorf("%s: a challenge %v", c.path, a.Header["Www-Authenticate"])
			}
		}
	}
	page := g.get("/company", g.token("alice"), func(r *http.Request) { r.Header.Set("Accept", "text/html") })
	if page.StatusCode != 403 || !strings.Contains(page.Header.Get("Content-Type"), "text/html") || strings.Contains(page.body, "example.com") {
		t.Errorf("a browser gets %d %v %s", page.StatusCode, page.Header, page.body)
	}
	metrics := g.do(mustGet(g.health + "/metrics")).body
	for _, line := range []string{
		`curfew_decisions_total{decision="refuse",policy="staff",reason="claim-missing"}`,
		`curfew_decisions_total{decision="would_refuse",policy="default",reason="claim-missing"} 0`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no metric %s", line)
		}
	}
	if log, err := os.ReadFile(g.logTo); err != nil || !strings.Contains(string(log), `"reason":"claim-missing"`) || strings.Contains(string(log), "alice@example.com") {
		t.Errorf("the log: %v; it names the reason: %v", err, strings.Contains(string(log), `"reason":"claim-missing"`))
	}
}

// A policy that no guard names can be explained too.
func TestExplainNamesTheMissingClaim(t *testing.T) {
	g := start(t, strings.Replace(global, "policy billing {", "policy staff {\n\t\t\tclaim groups staff\n\t\t\tclaim email *@example.com\n\t\t}\n\t\tpolicy billing {", 1), sites)
	for _, c := range []struct {
		claims tokentest.Claims
		says   []string
	}{
		{tokentest.Claims{"groups": "staff"}, []string{`"decision":"refuse","reason":"claim-missing"`, `"missing_claims":["email *@example.com"]`}},
		{tokentest.Claims{"groups": []string{"staff"}, "email": "a@example.com", "email_verified": true}, []string{`"decision":"admit"`, `"missing_claims":[]`}},
	} {
		a := g.call(helpdesk, "POST", "/v1/explain", map[string]any{"token": g.token("alice", c.claims), "policies": []string{"staff"}})
		for _, says := range c.says {
			if !strings.Contains(a.body, says) {
				t.Errorf("%v: no %s in %s", c.claims, says, a.body)
			}
		}
	}
}

// What a reload asks for is asked of tokens that were verified before it.
func TestAClaimThatIsNamedLaterIsAskedForOfKnownTokens(t *testing.T) {
	g := start(t, global, guarded("", ""))
	guest, staff := g.token("guest", tokentest.Claims{"groups": []string{"guests"}}), g.token("staff", tokentest.Claims{"groups": []string{"staff"}})
	for _, step := range []struct {
		options      string
		guest, staff int
	}{{"", 200, 200}, {"claim groups staff", 403, 200}, {"claim groups guests", 200, 403}, {"claim groups *", 200, 200}, {"claim groups staff", 403, 200}} {
		g.load(global, guarded(step.options, ""))
		if a, b := g.get("/", guest).StatusCode, g.get("/", staff).StatusCode; a != step.guest || b != step.staff {
			t.Errorf("%q: the guest gets %d, the staff %d", step.options, a, b)
		}
	}
}

// Somebody else's spelling of a claim must not be read by the upstream as the claim.
func TestAClaimInAnotherCaseRefusesTheToken(t *testing.T) {
	g := start(t, global, guarded("claim groups staff", ""))
	if a := g.get("/", g.token("alice", tokentest.Claims{"Groups": "staff", "groups": "staff"})); a.StatusCode != 401 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A token as long as one may be holds more than a thousand groups.
func TestATokenWithAThousandGroupsMeetsAClaim(t *testing.T) {
	g := start(t, global, guarded("claim groups staff\nclaim groups *-admins", ""))
	var groups []string
	for n := range 1400 {
		groups = append(groups, fmt.Sprintf("g%d", n))
	}
	if a := g.get("/", g.token("alice", tokentest.Claims{"groups": groups})); a.StatusCode != 403 || a.problem() != claimMissing {
		t.Errorf("without: %d %s", a.StatusCode, a.body)
	}
	if a := g.get("/", g.token("bob", tokentest.Claims{"groups": append(groups, "staff", "db-admins")})); a.StatusCode != 200 {
		t.Errorf("with: %d %s", a.StatusCode, a.body)
	}
}

// A browser session keeps of many groups those that routes ask for, and no
// more of an email address than a token does.
func TestABrowserSessionHasTheClaimsOfItsIDToken(t *testing.T) {
	s := startSignIns(t, "OPTIONS", "claim groups staff *-admins\nclaim email *@example.com")
	var groups []any
	for n := range 350 {
		groups = append(groups, fmt.Sprintf("group-%d-of-the-company", n))
	}
	for person, c := range map[string]struct {
		claims tokentest.Claims
		status int
	}{
		"alice":   {tokentest.Claims{"groups": append(groups, "staff"), "email": "alice@example.com", "email_verified": true}, 200},
		"bob":     {tokentest.Claims{"groups": append(groups, "db-admins"), "email": "bob@example.com", "email_verified": true}, 200},
		"carol":   {tokentest.Claims{"groups": groups, "email": "carol@example.com", "email_verified": true}, 403},
		"dave":    {tokentest.Claims{"groups": []string{"staff"}, "email": "dave@example.com", "email_verified": "true"}, 403},
		"erin":    {tokentest.Claims{"groups": []string{"staff"}, "email": "erin@example.com"}, 403},
		"mallory": {nil, 403},
	} {
		s.provider.set(func(p *provider) { p.claims = c.claims })
		b := s.browser(person)
		b.open(s.site("app") + "/deep")
		for range 2 {
			if a := b.script("GET", s.site("app")+"/deep", ""); a.StatusCode != c.status || c.status == 403 && a.problem() != claimMissing {
				t.Errorf("%s: %d %s", person, a.StatusCode, a.body)
			}
		}
		if a := b.open(s.site("wiki") + "/"); a.StatusCode != 200 {
			t.Errorf("%s at a site that asks for no claim: %d %s", person, a.StatusCode, a.body)
		}
	}
}
