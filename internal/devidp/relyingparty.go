package devidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// SignInRequest names the user, the client and the provider of a sign-in.
type SignInRequest struct {
	Issuer      string
	ClientID    string
	RedirectURI string
	// Scope is requested in addition to openid.
	Scope []string

	User, Password string
	Code           string // one-time code, optional
	Device         string // optional

	// Parameters are added to the authorization request, such as prompt,
	// max_age and acr_values.
	Parameters url.Values
}

// SignIn acts as browser and client: discovery, authorization request, the
// sign-in page if the provider shows it, the redirect, and the code with its
// PKCE verifier. If the client has a cookie jar, a second SignIn finds the
// session of the first. No server needs to listen at the redirect URI. SignIn
// returns [ErrRefused] for a refused sign-in and an [*Error] for a refusal of
// the protocol.
func SignIn(ctx context.Context, client *http.Client, request SignInRequest) (Tokens, error) {
	rp, err := discover(ctx, client, request.Issuer)
	if err != nil {
		return Tokens{}, err
	}
	verifier, nonce, state := newSecret(), newSecret(), newSecret()
	query := url.Values{
		"response_type": {"code"}, "client_id": {request.ClientID}, "redirect_uri": {request.RedirectURI},
		"scope": {strings.Join(append([]string{"openid"}, request.Scope...), " ")},
		"state": {state}, "nonce": {nonce},
		"code_challenge": {digest(verifier)}, "code_challenge_method": {"S256"},
	}
	for name, values := range request.Parameters {
		query[name] = values
	}
	location, err := rp.authorize(ctx, query, request)
	if err != nil {
		return Tokens{}, err
	}
	code, err := rp.readCode(location, state)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := rp.redeem(ctx, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {request.ClientID}, "code": {code},
		"redirect_uri": {request.RedirectURI}, "code_verifier": {verifier},
	})
	tokens.Nonce = nonce
	return tokens, err
}

// Refresh redeems a refresh token, which can't be used again. It returns an
// [*Error] for a refusal.
func Refresh(ctx context.Context, client *http.Client, issuer, clientID, refreshToken string) (Tokens, error) {
	rp, err := discover(ctx, client, issuer)
	if err != nil {
		return Tokens{}, err
	}
	return rp.redeem(ctx, url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {refreshToken},
	})
}

// relyingParty is a client that has read the provider's metadata.
type relyingParty struct {
	client   http.Client
	metadata metadata
}

// discover reads the provider's metadata. It refuses an issuer that is not on
// loopback, because the password is sent in plaintext.
func discover(ctx context.Context, client *http.Client, issuer string) (*relyingParty, error) {
	if _, err := issuerHost(issuer); err != nil {
		return nil, err
	}
	rp := &relyingParty{}
	if client != nil {
		rp.client = *client
	}
	rp.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := rp.do(ctx, http.MethodGet, issuer+discoveryPath, nil)
	if err != nil {
		return nil, fmt.Errorf("discovering provider: %w", err)
	}
	if err := json.Unmarshal(response.body, &rp.metadata); err != nil || rp.metadata.Issuer != issuer {
		return nil, fmt.Errorf("discovering provider: status %d, and not the metadata of %s", response.status, issuer)
	}
	return rp, nil
}

// authorize returns the address to which the provider sends the browser at the
// end.
func (rp *relyingParty) authorize(ctx context.Context, query url.Values, request SignInRequest) (string, error) {
	response, err := rp.do(ctx, http.MethodGet, rp.metadata.AuthorizationEndpoint+"?"+query.Encode(), nil)
	if err == nil && response.status == http.StatusOK {
		response, err = rp.do(ctx, http.MethodPost, request.Issuer+signInPath+"?"+query.Encode(), url.Values{
			"user": {request.User}, "password": {request.Password}, "code": {request.Code}, "device": {request.Device},
		})
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("signing in: %w", err)
	case response.status == http.StatusForbidden:
		return "", ErrRefused
	case response.status != http.StatusSeeOther:
		return "", fmt.Errorf("signing in: status %d: check client and redirect URI", response.status)
	}
	return response.location, nil
}

// readCode checks the authorization response. RFC 9207 defines its iss.
func (rp *relyingParty) readCode(location, state string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", errors.New("reading authorization response: its address is malformed")
	}
	values := u.Query()
	if values.Get("state") != state || values.Get("iss") != rp.metadata.Issuer {
		return "", errors.New("reading authorization response: state or iss is not the one expected")
	}
	if values.Has("error") {
		return "", &Error{values.Get("error"), values.Get("error_description")}
	}
	return values.Get("code"), nil
}

func (rp *relyingParty) redeem(ctx context.Context, form url.Values) (Tokens, error) {
	response, err := rp.do(ctx, http.MethodPost, rp.metadata.TokenEndpoint, form)
	if err != nil {
		return Tokens{}, fmt.Errorf("redeeming: %w", err)
	}
	if response.status != http.StatusOK {
		refusal := &Error{}
		if err := json.Unmarshal(response.body, refusal); err != nil || refusal.Code == "" {
			return Tokens{}, fmt.Errorf("redeeming: status %d", response.status)
		}
		return Tokens{}, refusal
	}
	var tokens Tokens
	if err := json.Unmarshal(response.body, &tokens); err != nil {
		return Tokens{}, errors.New("redeeming: the answer is not JSON")
	}
	return tokens, nil
}

// answer holds the parts of an HTTP response that a sign-in needs.
type answer struct {
	status   int
	location string
	body     []byte
}

// do sends a request, with a form if there is one. Its errors leave out the
// address, because the query holds the state of the sign-in.
func (rp *relyingParty) do(ctx context.Context, method, address string, form url.Values) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, errors.New("addressing provider: malformed address")
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := rp.client.Do(request)
	if err != nil {
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err
		}
		return answer{}, fmt.Errorf("calling provider: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return answer{}, fmt.Errorf("reading provider's answer: %w", err)
	}
	return answer{response.StatusCode, response.Header.Get("Location"), body}, nil
}
