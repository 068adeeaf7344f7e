package policy_test

import (
	"testing"

	"curfew.dev/curfew/policy"
)

// The table of section 7 of the design, as far as this package goes.
func TestAnswers(t *testing.T) {
	type row struct {
		status     int
		code       string
		challenges bool
	}
	want := map[string]row{
		"no-credential":        {401, "", true},
		"ambiguous-credential": {400, "invalid_request", true},
		"cross-site":           {403, "", false},
		"invalid-token":        {401, "invalid_token", true},
		"revoked":              {401, "invalid_token", true},
		"signed-out":           {401, "insufficient_user_authentication", true},
		"blocked":              {403, "", false},
		"step-up-required":     {401, "insufficient_user_authentication", true},
		"insufficient-scope":   {403, "insufficient_scope", true},
		"claim-missing":        {403, "", false},
		"not-ready":            {503, "", false},
		"stale":                {503, "", false},
	}
	for _, r := range policy.Reasons() {
		w, ok := want[r.String()]
		if !ok {
			t.Errorf("%s is not in the design", r)
			continue
		}
		delete(want, r.String())
		if got := (row{r.Status(), r.Code(), r.Challenges()}); got != w {
			t.Errorf("%s: %+v, want %+v", r, got, w)
		}
		if r.ProblemType() != "urn:curfew:"+r.String() || r.Title() == "" {
			t.Errorf("%s: type %q, title %q", r, r.ProblemType(), r.Title())
		}
	}
	for name := range want {
		t.Errorf("no reason %s", name)
	}
	if policy.Admitted.Challenges() || policy.Admitted.Status() != 200 {
		t.Error("an admission is answered")
	}
}
