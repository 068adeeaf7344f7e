// Package e2e plays the promises of the design from outside: a real Caddy
// process built from this module, a certified OpenID provider, people who sign
// in through its pages with a cookie jar, and an upstream that counts what
// reaches it. Nothing is known here but the public interface: Caddyfile, HTTP
// and files.
//
// Its tests have the build tag e2e (README.md says how to run them). The
// package must never import another room of this module, or what it shows would
// be shown from inside.
package e2e
