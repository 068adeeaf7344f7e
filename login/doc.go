// Package login signs browsers in: the authorization code flow of OpenID Connect
// with PKCE, and the sealed session that a browser carries from then on.
//
// A sealed browser session is one more credential. It is read from a cookie
// instead of a token, and the same index and the same policies judge it, so that
// every cut, block and step-up holds for it on every node. No node keeps a list
// of sessions: what a session is lies sealed in its cookie, and so does what a
// sign-in that has begun needs at its end.
//
// The package is plain net/http. It must never take a host, a scheme or an
// address for a redirect from a request: they come from the configuration. It
// must never put a code, a state, a token or a cookie into a log, an error or a
// page.
//
// Read config.go, deps.go and signins.go first. A request with a session: cookie.go,
// session.go, facts.go, open.go, cache.go, keys.go. A sign-in: browser.go, demand.go,
// begin.go, attempt.go, state.go, returnpath.go, callback.go, turns.go, redeem.go,
// judge.go, device.go. The paths under /.curfew/: site.go, signout.go, page.go.
// Requests to a provider: provider.go, key.go.
package login
