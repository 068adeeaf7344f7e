// Package devidp is an OpenID provider for development: `caddy curfew demo` and
// the tests sign in to it over real HTTP. It speaks discovery, the authorization
// code flow with PKCE, refresh and RP-initiated logout, and issues RFC 9068
// access tokens whose auth_time, acr, amr, sid and device_id stay what the
// sign-in made them, however often they are refreshed.
//
// # What it must never do
//
// It must never face anything but this machine. Passwords stand in its
// configuration in plain text, nothing limits guessing, the one-time code is a
// constant, every client is trusted without consent, and it speaks plain HTTP.
// [New] therefore refuses an issuer and redirect URIs that are not loopback,
// [Provider.Serve] a listener that is not, and [Provider.Handler] every peer and
// every Host that is not.
//
// Every table of its state has a limit. A full table drops the oldest value,
// and the user of that value must sign in again.
//
// # By hand
//
// The page is a plain form; the authorization request stays in its query:
//
//	curl -i 'http://127.0.0.1:9000/sign-in?response_type=code&client_id=…' \
//	    -d user=alice -d password=… -d code=000000 -d device=laptop
//
// # What is left out
//
// No test and no demo needs client secrets, consent, the UserInfo endpoint,
// request objects, the claims parameter, or id_token_hint at the authorization
// endpoint.
//
// Read config.go and provider.go first. To follow a sign-in, read request.go,
// authorize.go, signin.go, authentication.go, token.go and claims.go. The state
// is in state.go, statefile.go, capped.go and keyring.go. The client side is in
// relyingparty.go. Then read loopback.go, logout.go, discovery.go, page.go,
// errors.go and secret.go.
package devidp
