// Package demo is `caddy curfew demo`: a gateway, a small service behind it, a
// development-only OpenID provider and the people who use them, in one process
// and on this machine. It is to be tried with curl, or plays the story of a
// sign-out by itself and checks every answer.
//
// The demo shows the product and no imitation: the Caddyfile is adapted and loaded
// as `caddy run` does it, and every request comes over HTTP from outside.
//
// The package must never listen anywhere but on loopback, never write outside
// its own directory, so that it runs beside a real Caddy, and never print a
// token.
//
// Read command.go and stage.go first: how the demo starts. Its parts are gateway.go
// with child.go and caddyfile.go, service.go, people.go with device.go and browser.go.
// story.go with play.go and expect.go plays the story; guide.go is for curl.
package demo
