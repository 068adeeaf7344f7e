// Package e2e plays the promises of the design from outside: a real Caddy
// process built from this module, a certified OpenID provider, people who sign
// in through its pages with a cookie jar, and an upstream that counts what
// reaches it. The tests know only the public interface: Caddyfile, HTTP and files.
//
// Its tests have the build tag e2e (README.md says how to run them). The
// package must never import another room of this module but adminclient, which
// calls a gateway from outside as they do.
package e2e
