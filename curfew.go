// Package curfew makes "sign out everywhere" true at the edge: importing it
// registers the Caddy modules of Curfew, so that
//
//	xcaddy build --with curfew.dev/curfew
//
// is all it takes to build a Caddy that validates OpenID Connect tokens, holds
// every revocation in memory and enforces them on each request. It holds no
// code of its own and never will.
package curfew

import _ "curfew.dev/curfew/caddymodule" // registers the modules
