package token

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"curfew.dev/curfew/token/tokentest"
)

func TestWhereTheDocumentsOfAnIssuerAre(t *testing.T) {
	for _, c := range []struct {
		issuer             string
		openid, oauth, ssf string
	}{
		{
			"https://a.example", "https://a.example/.well-known/openid-configuration",
			"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/ssf-configuration",
		},
		{
			"https://a.example/t/1", "https://a.example/t/1/.well-known/openid-configuration",
			"https://a.example/.well-known/oauth-authorization-server/t/1", "https://a.example/.well-known/ssf-configuration/t/1",
		},
		{
			"https://a.example/t%2f1/", "https://a.example/t%2f1/.well-known/openid-configuration",
			"https://a.example/.well-known/oauth-authorization-server/t%2f1", "https://a.example/.well-known/ssf-configuration/t%2f1",
		},
	} {
		got := []string{OpenIDProvider.URL(c.issuer), AuthorizationServer.URL(c.issuer), WellKnown("ssf-configuration").URL(c.issuer)}
		if want := []string{c.openid, c.oauth, c.ssf}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q", c.issuer, got)
		}
	}
}

func TestAnIssuerWithoutOpenIDHasItsKeysFound(t *testing.T) {
	const issuer = "https://login.example.com/tenant"
	openid, oauth, keys := issuer+"/.well-known/openid-configuration", "https://login.example.com/.well-known/oauth-authorization-server/tenant", issuer+"/keys"
	jwks := setOf(t, tokentest.NewKey(t, "k", "ES256"))
	document := `{"issuer":"` + issuer + `","jwks_uri":"` + keys + `"}`
	foreign := `{"issuer":"https://other.example.com","jwks_uri":"` + keys + `"}`
	for name, c := range map[string]struct {
		bodies    map[string]string
		status    int // of what has no body
		documents []WellKnown
		want      FetchResult
		asked     int
	}{
		"openid alone":               {map[string]string{openid: document, keys: jwks}, 404, nil, FetchOK, 2},
		"oauth alone":                {map[string]string{oauth: document, keys: jwks}, 404, nil, FetchOK, 3},
		"openid comes first":         {map[string]string{openid: document, oauth: foreign, keys: jwks}, 404, nil, FetchOK, 2},
		"a wrong one has no other":   {map[string]string{openid: foreign, oauth: document, keys: jwks}, 404, nil, FetchMalformed, 1},
		"a broken one has no other":  {map[string]string{openid: "{", oauth: document, keys: jwks}, 404, nil, FetchMalformed, 1},
		"a refusal is no absence":    {map[string]string{oauth: document, keys: jwks}, 403, nil, FetchRefused, 1},
		"an outage is no absence":    {map[string]string{oauth: document, keys: jwks}, 503, nil, FetchRefused, 1},
		"oauth of another issuer":    {map[string]string{oauth: foreign, keys: jwks}, 404, nil, FetchMalformed, 2},
		"none":                       {nil, 404, nil, FetchRefused, 2},
		"only the one that is asked": {map[string]string{oauth: document, keys: jwks}, 404, []WellKnown{OpenIDProvider}, FetchRefused, 1},
		"a document of another kind": {
			map[string]string{"https://login.example.com/.well-known/ssf-configuration/tenant": document, keys: jwks},
			404,
			[]WellKnown{"ssf-configuration"},
			FetchOK, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			transport := roundTripper(func(r *http.Request) (*http.Response, error) {
				asked++
				if _, ok := c.bodies[r.URL.String()]; !ok {
					return &http.Response{StatusCode: c.status, Body: http.NoBody}, nil
				}
				return elsewhere(c.bodies)(r)
			})
			_, err := newFetcher(issuer, KeySetOptions{Transport: transport, Documents: c.documents}).fetch(t.Context())
			if got := resultOf(err); got != c.want || asked != c.asked {
				t.Errorf("%s after %d requests: %v", got, asked, err)
			}
			if name == "none" && !(strings.Contains(err.Error(), openid) && strings.Contains(err.Error(), oauth)) {
				t.Errorf("the message does not say where was looked: %v", err)
			}
		})
	}
}
