// Package signals takes what others say of people and sessions, each in its own
// dialect, and makes it durable as the cuts of this gateway.
//
// [BackchannelLogout] is the first: a provider tells a client that a session has
// ended there (OpenID Connect Back-Channel Logout 1.0).
//
// # What it must never do
//
// It never answers that it has accepted before what it accepted is durable, never
// acts on what no configured issuer has signed, never lets a signal hit more than
// its sender may speak for, and never puts a byte of a token into an answer or a
// log.
//
// # Order of reading
//
// backchannel.go (a request's way), seen.go (what came before).
package signals
