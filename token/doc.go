// Package token turns bytes from outside into a [revocation.Credential].
//
// A token passes through four doors, each narrower than what stands behind it:
//
//  1. [Sources.Extract] takes exactly one token out of a request. Two
//     credentials are an error, never a choice.
//  2. The strict layer reads the compact serialisation, its base64url and its
//     JSON in one way only: what two parsers could read differently (padding
//     bits, duplicate or case-variant members, lone surrogates) is refused
//     before any cryptography.
//  3. go-oidc has the signature checked with a key of a [KeySet], looked up by
//     issuer, kid and alg together.
//  4. The claims are judged: kind of token, audience, instants, identifiers.
//
// A [Cache] remembers what passed, by the whole token. Of what was refused,
// nothing is remembered but whether its key signed it.
//
// # What it must never do
//
// It never admits a token that could not be revoked (no subject, no issue
// time, an issue time in the future, a lifetime without bound), never trusts a
// key or an address that a token brings along, never lets a client decide how
// often a provider is asked for keys, and never puts a byte of a token into an
// error. It knows nothing of revocations: those are looked up in the
// credential, on every request, after the cache.
package token
