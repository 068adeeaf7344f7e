package devidp

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// claims are the claims of an access token (RFC 9068 section 2.2) and of an ID
// token (OpenID Connect Core section 2). Times are in Unix seconds.
type claims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audience        string   `json:"aud"`
	IssuedAt        int64    `json:"iat"`
	Expires         int64    `json:"exp"`
	AuthTime        int64    `json:"auth_time"`
	ACR             string   `json:"acr"`
	AMR             []string `json:"amr"`
	SID             string   `json:"sid"`
	Device          string   `json:"device_id,omitempty"`
	Tenant          string   `json:"tid,omitempty"`
	ClientID        string   `json:"client_id,omitempty"` // access token
	TokenID         string   `json:"jti,omitempty"`       // access token
	Scope           string   `json:"scope,omitempty"`     // access token
	AuthorizedParty string   `json:"azp,omitempty"`       // ID token
	Nonce           string   `json:"nonce,omitempty"`     // ID token of a code
}

// issue signs the tokens of a grant. It copies the claims of the sign-in. Only
// iat, exp and jti are new each time.
func (p *Provider) issue(client Client, g grant, scope []string, refresh, nonce string) (Tokens, error) {
	now := p.now().Unix()
	a := g.Authentication
	common := claims{
		Issuer: p.issuer, Subject: a.Subject, IssuedAt: now, Expires: now + int64(p.lifetime/time.Second),
		AuthTime: a.AuthTime, ACR: g.ACR, AMR: a.AMR, SID: a.SID, Device: a.Device,
		Tenant: p.directory.users[a.Subject].Tenant,
	}
	access, id := common, common
	access.Audience, access.ClientID, access.TokenID, access.Scope = client.Audience, client.ID, newSecret(), strings.Join(scope, " ")
	id.Audience, id.AuthorizedParty, id.Nonce = client.ID, client.ID, nonce

	response := Tokens{
		TokenType: "Bearer", ExpiresIn: int64(p.lifetime / time.Second), RefreshToken: refresh, Scope: access.Scope,
	}
	var key jose.JSONWebKey
	p.store.view(func(s *state) { key = s.keys[0].JWK })
	var err error
	if response.AccessToken, err = sign(key, "at+jwt", access, nil); err != nil {
		return Tokens{}, err
	}
	if response.IDToken, err = sign(key, "JWT", id, p.directory.users[a.Subject].Claims); err != nil {
		return Tokens{}, err
	}
	return response, nil
}

// sign signs claims, and further ones of a user.
func sign(key jose.JSONWebKey, typ jose.ContentType, c claims, further map[string]any) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		(&jose.SignerOptions{}).WithType(typ),
	)
	if err != nil {
		return "", fmt.Errorf("preparing signature: %w", err)
	}
	payload, err := json.Marshal(c)
	if err == nil && len(further) > 0 {
		all := maps.Clone(further)
		if err = json.Unmarshal(payload, &all); err == nil { // ours replace the user's
			payload, err = json.Marshal(all)
		}
	}
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing token: %w", err)
	}
	return signed.CompactSerialize()
}
