package caddymodule

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// signedIn returns the token of a user who signed in at second 10.
func signedIn() *token.Token {
	t := new(token.Token)
	t.Credential = revocation.Credential{
		Issuer: "i", Subject: "a", Client: "web", Session: "s", Device: "d", Tenant: "t", TokenID: "n", KeyID: "k",
		AuthTime: 10, IssuedAt: 11, ExpiresAt: 100,
	}
	t.Credential.Seal()
	return t
}

// The memo of a token holds for the index that was searched. It does not hold
// for an index that a write has changed meanwhile. If the generation were read
// after the search, a token that was revoked between the two would be admitted.
func TestARevocationDuringASearchIsFoundByTheNext(t *testing.T) {
	n := node.New(node.Config{})
	apply := func(r revocation.Record) {
		n.Index().Apply(revocation.Entry{Position: revocation.Position{Epoch: 1, Sequence: 1}, Records: []revocation.Record{r}})
	}
	// The clients that this cut exempts are compared one by one, so a search takes long.
	others := slices.Repeat([]string{"xxx"}, 1<<13)
	apply(revocation.Record{
		Type: revocation.Cut, Target: revocation.Target{Issuer: "i"}, Mode: revocation.SignIn, Through: 5, ExemptClients: others,
	})
	during := 0
	for i := range 2000 {
		tok := signedIn()
		tok.Credential.Subject = fmt.Sprint(i)
		tok.Credential.Seal()
		first := policy.Case{Credential: &tok.Credential}
		var searching sync.WaitGroup
		begun := make(chan struct{})
		searching.Go(func() {
			close(begun)
			look(n, &tok.Verified, &first)
		})
		<-begun
		apply(revocation.Record{
			Type: revocation.Cut, Target: revocation.Target{Issuer: "i", Subject: tok.Credential.Subject}, Mode: revocation.SignIn, Through: 20,
		})
		searching.Wait()
		if first.Finding.SignIn.Through != 20 {
			during++
		}
		c := policy.Case{Credential: &tok.Credential}
		if look(n, &tok.Verified, &c); c.Finding.SignIn.Through != 20 {
			t.Fatal("the token was revoked while it was looked up, and is admitted ever after")
		}
	}
	t.Logf("%d of 2000 searches were under way or over when the token was revoked", during)
}

// The memo covers tokens that no record of the index can refuse, on any route.
func TestNoMemoIsKeptOfAFindingThatMayRefuse(t *testing.T) {
	for name, f := range map[string]revocation.Finding{
		"a block":                            {Blocked: true},
		"a final cut":                        {Finally: true},
		"a sign-in cut of this second":       {SignIn: revocation.Bound{Through: 10}},
		"a refresh cut of this second":       {Refresh: revocation.Bound{Through: 11}},
		"a step-up after the sign-in":        {StepUps: []*revocation.Demand{{Through: 20}}},
		"a step-up before the sign-in":       {StepUps: []*revocation.Demand{{Through: 5, ACR: []string{"mfa"}}}},
		"a step-up for sensitive routes":     {StepUps: []*revocation.Demand{{Through: 20, Sensitive: true}}},
		"a step-up beside cuts of the past":  {StepUps: []*revocation.Demand{{Through: 20}}, SignIn: revocation.Bound{Through: 1}},
		"a block beside cuts of the past":    {Blocked: true, SignIn: revocation.Bound{Through: 1}},
		"a refresh cut beside a past cut":    {Refresh: revocation.Bound{Through: 11}, SignIn: revocation.Bound{Through: 9}},
		"a sign-in cut beside a past cut":    {Refresh: revocation.Bound{Through: 10}, SignIn: revocation.Bound{Through: 10}},
		"a final cut beside cuts that don't": {Finally: true, Refresh: revocation.Bound{Through: 1}},
	} {
		if harmless(&f, &signedIn().Credential) {
			t.Errorf("%s counts as harmless", name)
		}
	}
	for name, f := range map[string]revocation.Finding{
		"nothing":          {},
		"cuts of the past": {SignIn: revocation.Bound{Through: 9}, Refresh: revocation.Bound{Through: 10}},
	} {
		if !harmless(&f, &signedIn().Credential) {
			t.Errorf("%s counts as harmful", name)
		}
	}
}

// A gateway that can't vouch for a token ends the token's open requests,
// although no record of its index refuses it.
func TestWhatIsOpenEndsWhileTheNodeIsNotReady(t *testing.T) {
	n := node.New(node.Config{})
	a := &admission{
		guard: &Guard{app: &App{gateway: &gateway{node: n}}}, verified: &signedIn().Verified, required: new(policy.Requirements), now: 20,
	}
	a.verified.Clean.Store(n.Index().Generation() + 1)
	for _, cause := range []live.Cause{live.Changed, live.Unready} {
		if r := a.Judge(cause); r == nil || r.Status != 503 || r.Reason != policy.NotReady.String() {
			t.Errorf("cause %d: %+v", cause, r)
		}
	}
}

// While the node is not ready, a request without a credential passes an
// optional guard. A token in the query counts as a credential.
func TestATokenInTheQueryIsNotAnonymousWhileTheNodeIsNotReady(t *testing.T) {
	g := &Guard{
		Optional: true, QueryToken: "refuse",
		app: &App{gateway: &gateway{node: node.New(node.Config{})}},
	}
	if err := g.resolve(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target string
		want   policy.Reason
	}{
		{"/", policy.NoCredential},
		{"/?access_token=x", policy.NotReady},
	} {
		v := new(visit)
		shown := g.read(httptest.NewRequest("GET", c.target, nil), v)
		err := g.judgeable(t.Context(), v, &shown, time.Unix(20, 0))
		if got := refusalOf(err).Reason; got != c.want {
			t.Errorf("%s: %s, want %s", c.target, got, c.want)
		}
	}
}
