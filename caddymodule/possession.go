package caddymodule

import (
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// Possession says how a guard has senders prove that they hold the keys of their
// tokens.
type Possession struct {
	// Refuse tokens that are bound neither to a DPoP key nor to a client
	// certificate, which a thief could use.
	RequireBoundTokens bool `json:"require_bound_tokens,omitempty"`

	// Whether DPoP proofs must have a nonce of this gateway, so that none can be
	// made in advance.
	DPoPNonce bool `json:"dpop_nonce,omitempty"`

	// What becomes of the DPoP header: `strip` (the default) or `pass`.
	DPoPProof string `json:"dpop_proof,omitempty"`

	passProofs bool
}

// resolve checks the options. inHeader says that the guard takes tokens from the
// Authorization header, and tokens that it takes any.
func (p *Possession) resolve(tokens, inHeader bool) error {
	if err := choose("dpop_proof", &p.DPoPProof, []string{"strip", "pass"}); err != nil {
		return err
	}
	p.passProofs = p.DPoPProof == "pass"
	switch {
	case p.RequireBoundTokens && !tokens:
		return in("require_bound_tokens", "", errors.New("require_bound_tokens is for tokens, and this guard takes browser sessions only: remove it, or add `token_from header`"))
	case p.DPoPNonce && !inHeader:
		return in("dpop_nonce", "", errors.New("dpop_nonce is for tokens in the Authorization header, and this guard reads none there: remove it, or add `token_from header`"))
	}
	return nil
}

// possession is what a visit knows of the proof that its sender holds the key of
// the token. A visit has one if there is a DPoP header, or if there was a fault.
type possession struct {
	proofs []string // the DPoP header, which may be gone from the request
	dpop   bool     // the token came by the DPoP scheme
	fault  *token.ProofError
	nonce  time.Time // that of the proof; zero: none was asked for
}

// possess returns the possession of a visit, made if there was none.
func (v *visit) possess() *possession {
	if v.possession == nil {
		v.possession = new(possession)
	}
	return v.possession
}

// keepProofs keeps the DPoP header for the guards of the route. Nothing behind them
// gets it, unless the guard passes it on: it is a proof for the URL of this request.
func (g *Guard) keepProofs(r *http.Request, v *visit, proofs []string) {
	v.possess().proofs = proofs
	if !g.passProofs && len(g.sources) > 0 { // beside a session it is the application's
		delete(r.Header, dpopHeader)
	}
}

// Names of header fields, as net/http keeps them.
const (
	dpopHeader  = "Dpop"
	nonceHeader = "Dpop-Nonce"
)

// prove checks that the sender of a token holds the key that it is bound to.
func (g *Guard) prove(v *visit, s *shown, t *token.Token, now time.Time) error {
	p, r := v.possess(), s.in
	shown := token.Presentation{
		DPoP: s.dpop, Proofs: p.proofs, Method: methodOf(r), TLS: r.TLS, NonceWanted: g.DPoPNonce, Now: now,
		Nonce: func(nonce string) (at time.Time, ok bool) {
			p.nonce, ok = g.app.nonceTime(nonce)
			return p.nonce, ok
		},
	}
	if s.dpop {
		if origin, ok := originOf(r); ok {
			shown.URL = origin + addressOf(r).EscapedPath()
		}
	}
	err := g.mustBeBound(&t.Credential)
	if err == nil {
		err = t.Prove(&shown, &g.app.gateway.replays)
	}
	return g.proved(p, err)
}

func (g *Guard) proved(p *possession, err error) error {
	p.fault, _ = errors.AsType[*token.ProofError](err)
	g.app.gateway.metrics.proved(p.fault)
	return err
}

// proveAgain checks what this guard asks of a token beyond the guards before it. The
// proof itself is good once, and they have used it.
func (g *Guard) proveAgain(v *visit, now time.Time) error {
	if v.admitted != nil {
		return nil // a browser session is no token
	}
	err := g.mustBeBound(v.Credential)
	if err == nil && g.DPoPNonce && v.Credential.JKT != "" {
		err = token.CheckNonce(v.possess().nonce, now)
	}
	if err != nil {
		return g.proved(v.possess(), err)
	}
	return nil
}

func (g *Guard) mustBeBound(c *revocation.Credential) error {
	if g.RequireBoundTokens && c.JKT == "" && c.X5TS256 == "" {
		return &token.ProofError{Fault: token.NotBound, Detail: "this route takes tokens that are bound to a key only"}
	}
	return nil
}

// methodOf returns the method of a request from before any rewrite.
func methodOf(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.Method != "" {
		return original.Method
	}
	return r.Method
}

// originOf returns scheme and host of the URL that the client called. A proxy in
// front may say other ones if `trusted_proxies` names it, in X-Forwarded-Proto and
// X-Forwarded-Host. Several values that differ are not ok: nobody knows which of
// them a client made up.
func originOf(r *http.Request) (origin string, ok bool) {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		proto, ok1 := forwarded(r.Header["X-Forwarded-Proto"], scheme)
		by, ok2 := forwarded(r.Header["X-Forwarded-Host"], host)
		if scheme, host = schemeOf(proto), by; !ok1 || !ok2 || scheme == "" {
			return "", false
		}
	}
	return scheme + "://" + host, host != "" && !strings.ContainsAny(host, `/?#\`) // the URL would have another path
}

// schemeOf returns the scheme that X-Forwarded-Proto means. Some proxies name
// WebSockets there, and a proof for one names the http URL.
func schemeOf(proto string) string {
	switch proto = strings.ToLower(proto); proto {
	case "https", "wss":
		return "https"
	case "http", "ws":
		return "http"
	}
	return ""
}

// forwarded returns the one value of a header that proxies append to, or the other
// if there is none.
func forwarded(lines []string, other string) (value string, ok bool) {
	if len(lines) == 0 {
		return other, true
	}
	for i, line := range lines {
		for n, part := range strings.Split(line, ",") {
			part = strings.Trim(part, " \t")
			if i+n == 0 {
				value = part
			}
			if part == "" || part != value {
				return "", false
			}
		}
	}
	return value, true
}

// offerNonce adds a nonce for the next proof to the response of an admitted
// request, before the one that it came with is too old (RFC 9449, 8.2). The
// response must not be stored.
func (g *Guard) offerNonce(h http.Header, p *possession, now time.Time) {
	if g.DPoPNonce && !p.nonce.IsZero() && now.Sub(p.nonce) >= token.ProofWindow/2 {
		h[nonceHeader] = []string{g.app.newNonce(now)}
		h.Set("Cache-Control", "no-store")
	}
}

// noncePurpose is that of sealed nonces, which hold the second in which they were
// made. Every node with the same keys knows them.
const noncePurpose = "DPoP nonce"

// nonces make the nonces of a gateway.
type nonces struct {
	own    *seal.Key // of a cluster's node that has no configured keys
	newest atomic.Pointer[nonce]
}

type nonce struct {
	second int64
	text   string
}

func (a *App) nonceKeys() seal.Keys {
	if keys := a.sealingKeys(); len(keys) > 0 {
		return keys
	}
	return seal.Keys{a.gateway.nonces.own}
}

// newNonce returns the nonce of this second.
func (a *App) newNonce(now time.Time) string {
	second := now.Unix()
	if n := a.gateway.nonces.newest.Load(); n != nil && n.second == second {
		return n.text
	}
	text, err := a.nonceKeys().Seal(noncePurpose, binary.BigEndian.AppendUint64(nil, uint64(second)), nil)
	if err != nil {
		return "" // a key can't be used; the client asks again
	}
	a.gateway.nonces.newest.Store(&nonce{second, text})
	return text
}

// nonceTime returns when a nonce was made. It is not ok for what this gateway, or
// another with its keys, has not made.
func (a *App) nonceTime(text string) (at time.Time, ok bool) {
	if text == "" {
		return time.Time{}, false
	}
	opened, err := a.nonceKeys().Open(noncePurpose, text, nil)
	if err != nil || len(opened) != 8 {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(opened)), 0), true
}
