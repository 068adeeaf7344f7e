// Package token turns bytes from outside into a [revocation.Credential].
//
// A token passes five checks:
//
//  1. [Sources.Find] takes exactly one token out of a request. Two
//     credentials are an error, never a choice.
//  2. The strict layer reads the compact serialisation, its base64url and its
//     JSON in one way only. A token that two parsers could read differently
//     (padding bits, duplicate or case-variant members, lone surrogates) is
//     refused before any cryptography.
//  3. go-oidc has the signature checked with a key of a [KeySet], looked up by
//     issuer, kid and alg together. [Verifier.Open] ends here.
//  4. A judge decides on the claims: kind of token, audience, identifiers,
//     instants. Each judge is a table of rules; [Opened.Judge] chooses one.
//  5. If the token is bound to a key, [Token.Prove] checks that its sender holds
//     that key, for every request: by a DPoP proof that [Replays] has not seen, or
//     by the client certificate of the connection.
//
// [Verifier.Verify] does the second to the fourth. A [Cache] remembers the tokens that
// passed, by the whole token. For a refused token it remembers the result of the
// signature check alone.
//
// # What it must never do
//
// It never admits a token that could not be revoked (no subject, no issue
// time, an issue time in the future, a lifetime without bound), never trusts a
// key or an address that a token brings along (a proof brings its key along, which
// counts only if the token names it), never lets a client decide how
// often a provider is asked for keys, and never puts a byte of a token into an
// error. It knows nothing of revocations: those are looked up in the
// credential, on every request, after the cache.
//
// # Order of reading
//
// A request's way: source.go and query.go (where a token is), verifier.go,
// cache.go, open.go with compact.go, claims.go and signature.go, judge.go with
// accesstoken.go, idtoken.go, logouttoken.go and instants.go, token.go. The keys' way: keyset.go
// (when), fetch.go and metadata.go (from where), keyring.go, key.go and weak.go
// (which). The keys of senders: confirmation.go (what a token is bound to), proof.go
// with proofurl.go and prooferror.go (DPoP), replays.go. issuer.go and keysource.go
// are the configuration.
package token
