package devidp

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"curfew.dev/curfew/internal/authorization"
)

// maxParameter limits the length of a parameter that the provider stores, in
// bytes.
const maxParameter = 2048

// authorizationRequest is a checked request to the authorization endpoint.
type authorizationRequest struct {
	values      url.Values
	client      Client
	redirectURI string
	scope       []string
	nonce       string
	challenge   string
	acrValues   []string
	maxAge      int64 // seconds; -1: none requested
	none, login bool  // prompt
}

// parseRedirect returns the client and the redirect URI of a request. Its
// errors must not be redirected (RFC 6749 section 4.1.2.1).
func (d directory) parseRedirect(values url.Values) (Client, string, error) {
	client, ok := d.clients[values.Get("client_id")]
	if !ok || len(values["client_id"]) != 1 {
		return Client{}, "", invalidRequest("client_id must name a configured client")
	}
	uri := values.Get("redirect_uri")
	if len(values["redirect_uri"]) != 1 || !slices.Contains(client.RedirectURIs, uri) {
		return Client{}, "", invalidRequest("redirect_uri must be one of the client's, character by character")
	}
	return client, uri, nil
}

// parseAuthorization checks the other parameters of a request.
func parseAuthorization(values url.Values, client Client, redirectURI string) (authorizationRequest, *Error) {
	a := authorizationRequest{
		values: values, client: client, redirectURI: redirectURI,
		scope:     strings.Fields(values.Get("scope")),
		nonce:     values.Get("nonce"),
		challenge: values.Get("code_challenge"),
		acrValues: strings.Fields(values.Get("acr_values")),
		maxAge:    -1,
	}
	for _, check := range []func() *Error{
		func() *Error { return checkParameters(values) },
		a.checkFlow,
		a.parsePrompt,
		a.parseMaxAge,
		a.checkACR,
	} {
		if refusal := check(); refusal != nil {
			return authorizationRequest{}, refusal
		}
	}
	return a, nil
}

// checkParameters checks the rule of every endpoint: no parameter occurs twice,
// and none is too long.
func checkParameters(values url.Values) *Error {
	for _, v := range values {
		if len(v) != 1 {
			return invalidRequest("a parameter occurs more than once")
		}
		if len(v[0]) > maxParameter {
			return invalidRequest(fmt.Sprintf("a parameter is longer than %d bytes", maxParameter))
		}
	}
	return nil
}

func (a *authorizationRequest) checkFlow() *Error {
	switch {
	case a.values.Has("request"):
		return &Error{"request_not_supported", "request objects are not supported"}
	case a.values.Has("request_uri"):
		return &Error{"request_uri_not_supported", "request objects are not supported"}
	case a.values.Get("response_type") != "code":
		return &Error{"unsupported_response_type", "response_type must be code"}
	case a.values.Has("response_mode") && a.values.Get("response_mode") != "query":
		return invalidRequest("response_mode must be query")
	case !slices.Contains(a.scope, "openid"):
		return &Error{"invalid_scope", "scope must contain openid"}
	case slices.ContainsFunc(a.scope, func(s string) bool { return !authorization.ChallengeToken(s) }):
		return &Error{"invalid_scope", "scope contains a character that it may not"}
	case a.values.Get("code_challenge_method") != "S256" || len(a.challenge) != len(digest("")):
		return invalidRequest("PKCE is required: code_challenge with code_challenge_method S256")
	}
	return nil
}

func (a *authorizationRequest) parsePrompt() *Error {
	prompts := strings.Fields(a.values.Get("prompt"))
	for _, prompt := range prompts {
		switch prompt {
		case "none":
			a.none = true
		case "login", "select_account":
			a.login = true
		case "consent": // consent is not asked for: every client is trusted
		default:
			return invalidRequest("prompt must be none, login, select_account or consent")
		}
	}
	if a.none && len(prompts) > 1 {
		return invalidRequest("prompt none excludes every other")
	}
	return nil
}

func (a *authorizationRequest) parseMaxAge() *Error {
	if !a.values.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseUint(a.values.Get("max_age"), 10, 31)
	if err != nil {
		return invalidRequest("max_age must be a number of seconds")
	}
	a.maxAge = int64(seconds)
	return nil
}

func (a *authorizationRequest) checkACR() *Error {
	strongest := authentication{AMR: methods(true)}
	if _, ok := strongest.acr(a.acrValues); !ok {
		return &Error{"unmet_authentication_requirements", "none of acr_values can be reached here"}
	}
	return nil
}

// satisfiedBy reports whether an earlier sign-in satisfies the request. A
// max_age of 0 means prompt=login (OpenID Connect Core section 3.1.2.1).
func (a *authorizationRequest) satisfiedBy(earlier authentication, now int64) bool {
	tooOld := a.maxAge == 0 || a.maxAge > 0 && now-earlier.AuthTime > a.maxAge
	_, reached := earlier.acr(a.acrValues)
	return reached && !tooOld && !a.login
}
