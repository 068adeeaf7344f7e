package devidp

import (
	"encoding/json"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// The paths of the endpoints, below the issuer.
const (
	discoveryPath = "/.well-known/openid-configuration"
	metadataPath  = "/.well-known/oauth-authorization-server"
	keysPath      = "/keys"
	authorizePath = "/authorize"
	signInPath    = "/sign-in"
	tokenPath     = "/token"
	logoutPath    = "/logout"
	stylePath     = "/style.css"
)

// metadata is OpenID Connect Discovery section 3 and RFC 8414 section 2. A
// false value is written out, because the default of
// request_uri_parameter_supported is true.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ACRValues             []string `json:"acr_values_supported"`
	Prompts               []string `json:"prompt_values_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	ClientAuthentication  []string `json:"token_endpoint_auth_methods_supported"`
	Claims                []string `json:"claims_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	ResponseIssuer        bool     `json:"authorization_response_iss_parameter_supported"`
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	var algorithms []string
	p.store.view(func(s *state) { algorithms = s.keys.algorithms(p.now().Unix()) })
	writeJSON(w, http.StatusOK, metadata{
		Issuer:                p.issuer,
		AuthorizationEndpoint: p.issuer + authorizePath,
		TokenEndpoint:         p.issuer + tokenPath,
		JWKSURI:               p.issuer + keysPath,
		EndSessionEndpoint:    p.issuer + logoutPath,
		Scopes:                []string{"openid"},
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            []string{"authorization_code", "refresh_token"},
		ACRValues:             []string{ACRMultiFactor, ACRPassword},
		Prompts:               []string{"none", "login", "select_account", "consent"},
		SubjectTypes:          []string{"public"},
		IDTokenAlgorithms:     algorithms,
		ClientAuthentication:  []string{"none"},
		Claims: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "device_id", "tid",
		},
		ChallengeMethods: []string{"S256"},
		ResponseIssuer:   true,
	})
}

func (p *Provider) keySet(w http.ResponseWriter, _ *http.Request) {
	var set jose.JSONWebKeySet
	p.store.view(func(s *state) { set = s.keys.public(p.now().Unix()) })
	writeJSON(w, http.StatusOK, set)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone away
}
