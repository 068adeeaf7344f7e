package caddymodule

import (
	"fmt"
	"net/http"
	"strings"

	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/token"
)

// challenge returns the value of WWW-Authenticate (RFC 6750 section 3, RFC 9470
// section 3, RFC 9449 section 7.1). Its parts come from configuration and records,
// whose characters were checked. Of the request there is only its host, if that has no
// character but those of hosts.
//
// A request without a credential learns every scheme that it may use. Another one
// is answered in the scheme that it used, or in that which its token needs.
//
// The former also learns where the resource is described (RFC 9728 section 5.1).
func (g *Guard) challenge(r *http.Request, v *visit, d *policy.Decision) string {
	code := d.Reason.Code()
	if code == "" {
		if !g.readsHeader() {
			return "Bearer"
		}
		bearer := "Bearer"
		if at := g.entrance.describedAt(r); at != "" && g.ResourceMetadata != "off" {
			bearer += ` resource_metadata="` + at + `"`
		}
		return bearer + `, DPoP algs="` + proofAlgorithms + `"`
	}
	scheme, title := "Bearer", d.Reason.Title()
	if p := v.possession; p != nil {
		if p.dpop {
			scheme = "DPoP"
		}
		if p.fault != nil && d.Reason == policy.InvalidToken {
			code, title = p.fault.Fault.Code(), proofTitles[p.fault.Fault]
			if p.fault.Fault != token.WrongCertificate {
				scheme = "DPoP"
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `%s error="%s", error_description="%s"`, scheme, code, title)
	if len(d.Challenge.ACRValues) > 0 {
		fmt.Fprintf(&b, `, acr_values="%s"`, strings.Join(d.Challenge.ACRValues, " "))
	}
	if d.Challenge.HasMaxAge {
		fmt.Fprintf(&b, `, max_age="%d"`, d.Challenge.MaxAge)
	}
	if len(d.Challenge.Scope) > 0 {
		fmt.Fprintf(&b, `, scope="%s"`, strings.Join(d.Challenge.Scope, " "))
	}
	if scheme == "DPoP" {
		fmt.Fprintf(&b, `, algs="%s"`, proofAlgorithms)
	}
	return b.String()
}

// askForNonce adds the nonce that a client is asked to put into its next proof (RFC
// 9449 section 9).
func (g *Guard) askForNonce(h http.Header, v *visit) {
	if p := v.possession; p != nil && p.fault != nil && p.fault.Fault == token.NonceWanted {
		h[nonceHeader] = []string{g.app.newNonce(g.app.gateway.now())}
	}
}

var proofAlgorithms = strings.Join(token.ProofAlgorithms(), " ")

// proofTitles are the descriptions of faults. They tell a client what to mend.
var proofTitles = map[token.ProofFault]string{
	token.NoProof:          "The token is bound to a key and needs a DPoP proof",
	token.BadProof:         "The DPoP proof is not for this request",
	token.Untimely:         "The DPoP proof is too old or from the future; check the clock",
	token.Replayed:         "The DPoP proof was used before; make one for each request",
	token.NonceWanted:      "The DPoP proof needs the nonce of this response",
	token.WrongKey:         "The DPoP proof is by another key than the token is bound to",
	token.NotBound:         "The token is not bound to a key",
	token.Downgraded:       "The token is bound to a key and needs the DPoP scheme",
	token.WrongCertificate: "The token is bound to a client certificate that the connection does not show",
}
