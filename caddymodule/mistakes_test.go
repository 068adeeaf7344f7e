package caddymodule_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"curfew.dev/curfew/internal/gatewaytest"
)

// here marks the line of a Caddyfile that has the mistake.
const here = " # here"

// mistake is a Caddyfile with one mistake, and what its message says of the
// mend.
type mistake struct{ name, text, mend string }

// inGlobal, inIssuer and so on put options into a block of an otherwise valid
// Caddyfile.
func inGlobal(options string) string {
	return inFile("issuer https://login.example.com {\n audience api\n }\n"+options, "respond ok")
}

func inIssuer(options string) string {
	return inFile("issuer https://login.example.com {\n audience api\n"+options+"\n}", "respond ok")
}

func inPolicy(options string) string { return inGlobal("policy billing {\n" + options + "\n}") }

func inPages(options string) string { return inGlobal("pages {\n" + options + "\n}") }

func inSignIn(options string) string {
	return inGlobal("sign_in staff {\n client_id web\n" + options + "\n}")
}

func onSignInSite(directives string) string {
	return inFile("issuer https://login.example.com {\n audience api\n }\nsign_in staff {\n client_id web\n}", directives)
}

func inSessionGuard(options string) string {
	return onSignInSite("curfew_sign_in staff\ncurfew {\n" + options + "\n}")
}

func inNATS(options string) string {
	return inGlobal("ledger nats tls://nats-1.internal:4222 {\n" + options + "\n}")
}

func inSite(directives string) string {
	return inFile("issuer https://login.example.com {\n audience api\n }\npolicy billing {\n acr mfa\n}", directives)
}

func inGuard(options string) string { return inSite("curfew {\n" + options + "\n}") }

func inAdmin(options string) string { return inSite("curfew_admin {\n" + options + "\n}") }

func inOIDC(options string) string {
	return inAdmin("oidc https://login.example.com {\n" + options + "\n}")
}

func inFile(global, site string) string {
	return "{\n admin off\n curfew {\n" + global + "\n}\n}\nhttp://127.0.0.1:9 {\n" + site + "\n}\n"
}

// mistakes are at least one for every option of every block, and what blocks
// lack. DIR is the working directory. It has the files "empty", "short",
// "large", "html", "pixel" and "pem", and none that is "missing".
var mistakes = []mistake{
	// Global options.
	{"no issuer", "{\n admin off\n curfew {" + here + "\n}\n}\n", "add `issuer <url> { audience <audience> }`"},
	{"second global block", "{\n admin off\n curfew {\n issuer https://a {\n audience api\n }\n }\n curfew {" + here + "\n}\n}\n", "merge the two"},
	{"word after curfew", "{\n admin off\n curfew on {" + here + "\n}\n}\n", `remove "on"`},
	{"unknown global option", inGlobal("ledgre local" + here), "the options of this block are audit_log, expect_nodes, issuer, ledger,"},
	{"global option twice", inGlobal("node_name a\nnode_name b" + here), "remove one of the two"},
	{"issuer without url", inGlobal("issuer" + here), "write `issuer <value>`"},
	{"issuer with two urls", inGlobal("issuer https://a https://b" + here), "write `issuer <value>`, with one"},
	{"issuer twice", inGlobal("issuer https://login.example.com {" + here + "\n audience other\n}"), "merge the two blocks"},
	{"issuer over http", inGlobal("issuer http://login.example.org {" + here + "\n audience api\n}"), "use https"},
	{"issuer with a placeholder", inGlobal("issuer https://login.example.org/{tenantid} {" + here + "\n audience api\n}"), "name the issuer of each tenant"},
	{"issuer that is no url", inGlobal("issuer login.example.org {" + here + "\n audience api\n}"), "write it as its tokens do, such as https://login.example.com"},
	{"issuer without audience", inGlobal("issuer https://login.example.org" + here), "name the services its tokens are for with `audience`"},
	{"policy without name", inGlobal("policy" + here), "write `policy <value>`"},
	{"policy twice", inGlobal("policy p {\n acr mfa\n}\npolicy p {" + here + "\n amr otp\n}"), "merge the two, or rename one"},
	{"unknown ledger", inGlobal("ledger postgres" + here), "want `ledger local [<dir>]` or `ledger nats <url>…`"},
	{"missing ledger directory", inGlobal("ledger local missing" + here), "create it, owned by the user Caddy runs as and with mode 0700"},
	{"ledger in a file", inGlobal("ledger local short" + here), "is not a directory: name one"},
	{"empty ledger directory", inGlobal("ledger local \"\"" + here), "name one, or set the variable it comes from"},
	{"option of a local ledger", inGlobal("ledger local {\n fsync off" + here + "\n}"), "remove it"},
	{"unknown on_empty", inGlobal("on_empty maybe" + here), `want one of ["sign_out_all" "start" "refuse"]`},
	{"node_name with a slash", inGlobal("node_name edge/1" + here), "choose another name"},
	{"expect_nodes in words", inGlobal("expect_nodes three" + here), "want a whole number"},
	{"expect_nodes below zero", inGlobal("expect_nodes -1" + here), "give the number of gateways"},
	{"max_staleness too short", inGlobal("max_staleness 10ms" + here), "give at least 1s"},
	{"max_staleness without a unit", inGlobal("max_staleness 30" + here), "want a duration such as 10m"},
	{"unknown on_stale", inGlobal("on_stale wait" + here), `want one of ["deny" "allow"]`},
	{"token_cache too small", inGlobal("token_cache 1KiB" + here), "give at least 1MiB"},
	{"token_cache too large", inGlobal("token_cache 100TiB" + here), "want a size such as 64MiB, 1TiB at most"},
	{"unknown log_user", inGlobal("log_user name" + here), `want one of ["sub" "hash" "off"]`},
	{"audit_log without a file", inGlobal("audit_log" + here), "write `audit_log <value>`"},
	{"audit_log in a directory that is missing", inGlobal("audit_log /nowhere/audit.log" + here), "create it, owned by the user Caddy runs as"},
	{"pages with a value", inGlobal("pages plain" + here), `remove "plain"`},
	{"unknown option of pages", inPages("colour red" + here), "the options of this block are brand, change_password,"},
	{"brand without value", inPages("brand" + here), "write `brand <value>`"},
	{"brand that is too long", inPages("brand " + strings.Repeat("x", 65) + here), "give 1 to 64"},
	{"brand that hides", inPages("brand \"a\u202eb\"" + here), "U+202E, which is not shown: remove it"},
	{"missing logo", inPages("brand a\nlogo missing" + here), "let the user Caddy runs as read it"},
	{"logo that is no image", inPages("logo short" + here + "\nbrand a"), "give an SVG, PNG, JPEG, WebP or GIF file"},
	{"logo that is a directory", inPages("logo DIR" + here), "it is not a file: name one"},
	{"logo that is too large", inPages("logo large" + here), "make it smaller"},
	{"missing style", inPages("logo pixel\nstyle missing" + here), "let the user Caddy runs as read it"},
	{"style that ends itself", inPages("style html" + here), "give CSS only"},
	{"recovery that is a path", inPages("recovery /recover" + here), "want the whole address of a page"},
	{"two_step over http", inPages("brand a\ntwo_step http://login.example.com/2fa" + here), "want the whole address of a page"},
	{"change_password with a script", inPages("change_password javascript:alert" + here), "want the whole address of a page"},
	{"help without address", inPages("help desk" + here), "want `help <text> <url>`"},
	{"help with a script", inPages("help desk javascript:alert" + here), ", or a mailto"},
	{"missing sealing_key", inGlobal("sealing_key missing" + here), "write one with `openssl rand -base64 32`"},
	{"short sealing_key", inGlobal("sealing_key short" + here), "write one with `openssl rand -base64 32`"},
	{"strict_sites with a value", inGlobal("strict_sites on" + here), `remove "on"`},
	{
		"a hole where sites are strict",
		strings.Replace(inSite("handle /a {\n curfew"+here+"\n reverse_proxy 127.0.0.1:1\n}\nreverse_proxy 127.0.0.1:1"), "policy billing", "strict_sites\npolicy billing", 1),
		"put `curfew` before it, at the top of the site",
	},

	// Sign-ins.
	{"sign_in without name", inGlobal("sign_in" + here), "write `sign_in <value>`"},
	{"sign_in twice", inGlobal("sign_in staff {\n client_id web\n}\nsign_in staff {" + here + "\n client_id web\n}"), "merge the two blocks"},
	{"sign_in with a space", inGlobal("sign_in \"my staff\" {" + here + "\n client_id web\n}"), "it is part of the redirect URI"},
	{"unknown option of a sign_in", inSignIn("recheck 10m" + here), "the options of this block are allow_no_auth_time, callback,"},
	{"unknown issuer of a sign_in", inSignIn("issuer https://other.example.com" + here), "add it to the global curfew options"},
	{
		"sign_in with several issuers",
		inGlobal("issuer https://other.example.com {\n audience api\n}\nsign_in staff {" + here + "\n client_id web\n}"), "name one with `issuer <url>`",
	},
	{"sign_in without client", inGlobal("sign_in staff {" + here + "\n idle 1h\n}"), "set the one that the provider has registered"},
	{"client_id without value", inGlobal("sign_in staff {\n client_id" + here + "\n}"), "write `client_id <value>`"},
	{"missing client_secret", inSignIn("client_secret {file.missing}" + here), "let the user Caddy runs as read it"},
	{"empty client_secret", inSignIn("client_secret {env.CURFEW_NOT_SET}" + here), "give it a value"},
	{"client_secret and client_key", inSignIn("client_secret 0123456789abcdef\nclient_key short" + here), "remove the other"},
	{"client_key that is none", inSignIn("client_key short" + here), "neither PEM nor a JWK"},
	{"missing client_key", inSignIn("client_key missing" + here), "let the user Caddy runs as read it"},
	{"scope with a quote", inSignIn("scope openid `a\"b`" + here), "RFC 6749"},
	{"resource that is no address", inSignIn("resource api" + here), "RFC 8707"},
	{"param without value", inSignIn("param audience" + here), "write `param <name> <value>`"},
	{"param that we set", inSignIn("param audience x\nparam state x" + here), "remove it"},
	{"param that changes the answer", inSignIn("param response_mode form_post" + here), "remove it"},
	{"param twice", inSignIn("param audience x\nparam audience y" + here), "remove one"},
	{"idle too short", inSignIn("idle 10s" + here), "give at least 1m"},
	{"idle below zero", inSignIn("idle -1h" + here), "give a duration such as 1h"},
	{"idle over the lifetime", inSignIn("lifetime 1h\nidle 2h" + here), "shorten idle"},
	{"lifetime over the retention", inSignIn("lifetime 100d" + here), "raise `retention`"},
	{"lifetime without a unit", inSignIn("lifetime 12" + here), "want a duration such as 10m"},
	{"unknown kind of cookie", inSignIn("cookie forever" + here), `want one of ["session" "persistent"]`},
	{"callback without value", inSignIn("callback" + here), "write `callback <origin> <host>…`"},
	{"callback without hosts", inSignIn("callback https://auth.example.com" + here), "names no host"},
	{"callback over http", inSignIn("callback http://auth.example.com app.example.com" + here), "use https"},
	{"callback with a path", inSignIn("callback https://auth.example.com/cb app.example.com" + here), "write scheme, host and port alone"},
	{"host of a callback with a port", inSignIn("callback https://auth.example.com app.example.com:8443" + here), "without scheme, port or final dot"},
	{"host of a callback twice", inSignIn("callback https://auth.example.com a.example.com a.example.com" + here), "remove one"},
	{"unknown sign_out", inSignIn("sign_out everywhere" + here), `want one of ["provider" "local"]`},
	{"signed_out_url over http", inSignIn("signed_out_url http://www.example.com/bye" + here), "https"},
	{"signed_out_url that is no address", inSignIn("signed_out_url www.example.com" + here), "want an absolute URL or a path"},
	{"allow_no_auth_time with a value", inSignIn("allow_no_auth_time yes" + here), `remove "yes"`},
	{"title that is too long", inSignIn("title " + strings.Repeat("x", 65) + here), "give 1 to 64"},
	{
		"sign_in in a cluster without a key", inGlobal("ledger nats tls://nats-1.internal:4222\nsign_in staff {" + here + "\n client_id web\n}"),
		"name it with `sealing_key <file>`",
	},

	// Sites that sign in, and guards that take sessions.
	{"curfew_sign_in without name", onSignInSite("curfew_sign_in" + here), "write `curfew_sign_in <name>…`"},
	{"curfew_sign_in twice the same", onSignInSite("curfew_sign_in staff staff" + here), "remove one"},
	{"curfew_sign_in of nobody", onSignInSite("curfew_sign_in nobody" + here), "add `sign_in nobody { … }`"},
	{"curfew_sign_in with a matcher", onSignInSite("curfew_sign_in /.curfew/* staff" + here), "remove it"},
	{"curfew_sign_in with an option", onSignInSite("curfew_sign_in staff {\n return /" + here + "\n}"), "remove it"},
	{"curfew_sign_in without global options", "{\n admin off\n}\nhttp://127.0.0.1:9 {\n curfew_sign_in staff" + here + "\n}\n", "at the top"},
	{"curfew_sign_in on any host", strings.Replace(onSignInSite("curfew_sign_in staff"+here), "http://127.0.0.1:9", "http://:9", 1), "write the host, or give the sign-in a `callback"},
	{"curfew_sign_in on a wildcard", strings.Replace(onSignInSite("curfew_sign_in staff"+here), "http://127.0.0.1:9", "https://*.example.com", 1), "write the host"},
	{"curfew_sign_in over http", strings.Replace(onSignInSite("curfew_sign_in staff"+here), "http://127.0.0.1:9", "http://app.example.com", 1), "use https"},
	{
		"curfew_sign_in on a host that the callback does not name",
		strings.Replace(onSignInSite("curfew_sign_in staff"+here), "client_id web", "client_id web\n callback https://auth.example.com app.example.com", 1),
		"add the host to `callback`",
	},
	{
		"curfew_sign_in behind a guard", onSignInSite("route {\n curfew {\n  session staff\n }\n curfew_sign_in staff" + here + "\n}"), "put `curfew_sign_in` first",
	},
	{
		"curfew_sign_in where credentials are logged",
		strings.Replace(onSignInSite("log\n curfew_sign_in staff"+here), "admin off", "admin off\n servers {\n log_credentials\n }", 1), "remove it from the global option servers",
	},
	{"session of nobody", inSessionGuard("session nobody" + here), "add `sign_in nobody { … }`"},
	{"session twice the same", inSessionGuard("session staff staff" + here), "remove one"},
	{"session without value", inSessionGuard("session" + here), "write `session <value>…`"},
	{"session on a site without sign-in", onSignInSite("curfew {" + here + "\n session staff\n}"), "add `curfew_sign_in staff` to it"},
	{"session beside sign_in_url", inSessionGuard("session staff\nsign_in_url /login" + here), "remove one of the two"},
	{"session with a short max_age", inSessionGuard("session staff\nmax_age 30s" + here), "give at least 1m"},
	{"session with an audience", inSessionGuard("session staff\naudience api" + here), "add `token_from header`"},
	{"session with an issuer", inSessionGuard("session staff\nissuer https://login.example.com" + here), "add `token_from header`"},

	// Issuers.
	{"unknown issuer option", inIssuer("audiences b" + here), "the options of this block are accept, algorithms, audience,"},
	{"audience without value", inIssuer("audience" + here), "write `audience <value>…`"},
	{"empty audience", inIssuer("audience \"\"" + here), "remove it, or set the variable it comes from"},
	{"client without value", inIssuer("client" + here), "write `client <value>…`"},
	{"accept without value", inIssuer("accept" + here), "write `accept access_token`"},
	{"unknown kind of token", inIssuer("accept refresh_token" + here), "want access_token, access_token lenient or id_token"},
	{"lenient alone", inIssuer("accept lenient" + here), "write `accept access_token lenient`"},
	{"id tokens without a client", inIssuer("accept id_token" + here + "\nalgorithms RS256"), "needs `client`"},
	{"symmetric algorithm", inIssuer("algorithms HS256" + here + "\nclient web"), "use some of "},
	{"no algorithm", inIssuer("algorithms RS256 none" + here), "use some of "},
	{"device_claim without value", inIssuer("device_claim" + here), "write `device_claim <value>`"},
	{"empty tenant_claim", inIssuer("tenant_claim \"\"" + here), "give it a value"},
	{"two audience_claims", inIssuer("audience_claim a b" + here), "write `audience_claim <value>`, with one"},
	{"subject_claim without value", inIssuer("subject_claim" + here), "write `subject_claim <value>`"},
	{"subject_claim that is another", inIssuer("client web\nsubject_claim sid" + here), "leave it out for sub"},
	{"client_name without text", inIssuer("client_name web" + here), "write `client_name <client_id> <text>`"},
	{"client_name twice", inIssuer("client_name web Web\nclient_name web Portal" + here), "remove one"},
	{"client_name that hides", inIssuer("client_name shop Shop\nclient_name web \"a\u202eb\"" + here), "U+202E, which is not shown: remove it"},
	{"client_claim twice", inIssuer("client_claim cid cid" + here + "\nclient web"), "remove one"},
	{"machine_clients without value", inIssuer("machine_clients" + here), "write `machine_clients <value>…`"},
	{"empty exempt_client", inIssuer("exempt_client a \"\"" + here), "remove it"},
	{"clock_skew too large", inIssuer("clock_skew 1h" + here), "mend the clocks instead"},
	{"retention below zero", inIssuer("retention -1d" + here), "want a positive duration"},
	{"max_token_lifetime in words", inIssuer("max_token_lifetime long" + here), "want a duration such as 10m"},
	{"require_auth_time with a value", inIssuer("require_auth_time yes" + here), `remove "yes"`},
	{"jwks_max_stale below zero", inIssuer("jwks_max_stale -1h" + here), "want a positive duration"},
	{"discovery over http", inIssuer("discovery http://login.example.com/d" + here), "use https"},
	{"discovery and jwks", inIssuer("jwks https://login.example.com/keys\ndiscovery https://login.example.com/d" + here), "remove one of them"},
	{"password in jwks", inIssuer("jwks https://user:pass@login.example.com/keys" + here), "remove them"},
	{"missing jwks", inIssuer("jwks missing" + here), "let the user Caddy runs as read it"},
	{"jwks without keys", inIssuer("jwks short" + here), "want the JSON Web Key Set of the issuer"},
	{"fetch_timeout too long", inIssuer("fetch_timeout 1h" + here), "at most 1m0s"},
	{"missing tls_ca", inIssuer("tls_ca missing" + here), "let the user Caddy runs as read it"},
	{"tls_ca without a certificate", inIssuer("tls_ca short" + here), "want PEM"},
	{"tls_ca for a file", inIssuer("jwks short\ntls_ca pem" + here), "remove one of them"},

	// Requirements, of policies and guards.
	{"acr with a space", inPolicy("acr \"a b\"" + here), "use visible ASCII without spaces"},
	{"acr without value", inPolicy("acr" + here), "write `acr <value>…`"},
	{"amr with a quote", inPolicy("amr `a\"b`" + here), "use visible ASCII without spaces"},
	{"max_age in milliseconds", inPolicy("max_age 1500ms" + here), "it must be whole seconds"},
	{"scope with a space", inGuard("scope \"a b\"" + here), "use visible ASCII without spaces"},
	{"claim without name", inPolicy("claim" + here), "write `claim <name> <value>…`"},
	{"claim without value", inGuard("claim groups staff\nclaim groups" + here), "`*` is any value"},
	{"claim with an empty value", inGuard("claim groups staff \"\"" + here), "remove it, or set the variable it comes from"},
	{"claim with an empty name", inGuard("claim \"\" staff" + here), "or set the variable it comes from"},
	{"claim with a value twice", inPolicy("claim groups staff\nclaim groups a b a" + here), "remove one"},
	{"email that is only unverified", inPolicy("claim email unverified" + here), "write `claim email <value>…`"},
	{"sensitive with a value", inGuard("sensitive yes" + here), `remove "yes"`},
	{"unknown option of a policy", inPolicy("role admin" + here), "the options of this block are acr, amr, claim, max_age, scope, sensitive"},

	// Guards.
	{"unknown policy", inSite("curfew nosuch" + here), "add `policy nosuch { … }` to the global curfew options"},
	{"second path", inSite("curfew /a /b" + here), "name several paths in a matcher of its own"},
	{"unknown option of a guard", inGuard("requires mfa" + here), "the options of this block are acr, amr, audience, authorization, claim,"},
	{"option of a guard twice", inGuard("preflight pass\npreflight pass" + here), "remove one of the two"},
	{"unknown issuer", inGuard("issuer https://login.example.com\nissuer https://other.example.com" + here), "add it to the global curfew options"},
	{"unknown audience", inGuard("optional\naudience api other" + here), "add it to the global curfew options"},
	{
		"ambiguous issuers",
		inFile("issuer https://a {\n audience api\n}\nissuer https://b {\n audience api\n}", "curfew {"+here+"\n optional\n}"),
		"add `issuer …` or `audience …` to it",
	},
	{"guard without global options", "{\n admin off\n}\nhttp://127.0.0.1:9 {\n curfew" + here + "\n}\n", "add `{ curfew { issuer <url> { audience <audience> } } }` at the top"},
	{"token_from the query", inGuard("token_from query token" + here), "want `token_from header` or `token_from cookie <name>`"},
	{"bad name of a cookie", inGuard("token_from cookie a;b" + here), "want `header` or `cookie <name>`"},
	{"token_from twice", inGuard("token_from cookie a\ntoken_from cookie a" + here), "remove one"},
	{"optional with a value", inGuard("optional yes" + here), `remove "yes"`},
	{"dry_run with a value", inGuard("dry_run on" + here), `remove "on"`},
	{"unknown preflight", inGuard("preflight allow" + here), `want one of ["refuse" "pass"]`},
	{"require_bound_tokens with value", inGuard("require_bound_tokens yes" + here), `remove "yes"`},
	{"require_bound_tokens of sessions", inSessionGuard("session staff\nrequire_bound_tokens" + here), "add `token_from header`"},
	{"dpop_nonce with value", inGuard("dpop_nonce on" + here), `remove "on"`},
	{"dpop_nonce without header", inGuard("token_from cookie token\ndpop_nonce" + here), "add `token_from header`"},
	{"unknown dpop_proof", inGuard("dpop_proof keep" + here), `want one of ["strip" "pass"]`},
	{"unknown resource_metadata", inGuard("resource_metadata no" + here), `want one of ["on" "off"]`},
	{"unknown query_token", inGuard("query_token accept" + here), `want one of ["refuse" "ignore"]`},
	{"unknown refusal", inGuard("refusal redirect" + here), `want one of ["respond" "handle_errors"]`},
	{"sign_in_url of another scheme", inGuard("sign_in_url javascript:alert" + here), "want an absolute URL or a path"},
	{"unknown identity", inGuard("optional\nidentity some" + here), `want one of ["all" "minimal" "none"]`},
	{"identity without value", inGuard("identity" + here), "write `identity <value>`"},
	{"identity with two values", inGuard("identity minimal none" + here), "write `identity <value>`"},
	{"identity twice", inGuard("identity none\nidentity all" + here), "remove one of the two"},
	{"reserved identity_header", inGuard("identity_header X-A a\nidentity_header Curfew-Subject email" + here), "choose another header"},
	{"identity_header without claim", inGuard("identity_header X-Email" + here), "write `identity_header <Header> <claim>`"},
	{"identity_header twice", inGuard("identity_header X-Email email\nidentity_header X_Email mail" + here), "remove one"},
	{"unknown authorization", inGuard("authorization drop" + here), `want one of ["pass" "strip"]`},
	{"upgrade to no protocol", inGuard("upgrade websocket web/socket/13" + here), "want names of protocols, such as `upgrade websocket`"},
	{"grace without duration", inGuard("connection_expiry grace" + here), "want `connection_expiry enforce`, `grace <duration>` or `ignore`"},
	{"unknown connection_expiry", inGuard("connection_expiry never" + here), `want one of ["grace" "enforce" "ignore"]`},
	{"max_connection_age below zero", inGuard("max_connection_age -1h" + here), "leave it out for no limit"},
	{"close code of the protocol", inGuard("websocket_close_code 1000" + here), "want 1008, or 3000 to 4999"},
	{"two guards, the second is wrong", inSite("curfew\ncurfew /x {\n issuer https://x" + here + "\n}"), "add it to the global curfew options"},

	// The admin API.
	{"admin without credential", inSite("curfew_admin" + here), "add `token <name> <role> <secret>` or `oidc <issuer> { … }`"},
	{"admin without global options", "{\n admin off\n}\nhttp://127.0.0.1:9 {\n curfew_admin {" + here + "\n token a read 0123456789abcdef\n}\n}\n", "at the top"},
	{"admin with an argument", inSite("curfew_admin /x /y {" + here + "\n token a read 0123456789abcdef\n}"), `remove "/y"`},
	{"token without secret", inAdmin("token helpdesk write" + here), "want `token <name> <role> <secret>`"},
	{"unknown role", inAdmin("token helpdesk god 0123456789abcdef" + here), "want read, write or break_glass"},
	{"short secret", inAdmin("token helpdesk write 0123" + here), "use at least 16"},
	{"secret that is not set", inAdmin("token helpdesk write {env.CURFEW_TEST_NOT_SET}" + here), "give it a value"},
	{"missing secret file", inAdmin("token a read 0123456789abcdef\ntoken helpdesk write {file./nowhere/secret}" + here), "let the user Caddy runs as read it"},
	{"empty secret file", inAdmin("token helpdesk write {file.DIR/empty}" + here), "give it a value"},
	{"placeholder in a secret", inAdmin("token helpdesk write x{env.HOME}" + here), "must be all of a secret"},
	{"one secret for two", inAdmin("token a read 0123456789abcdef\ntoken b write 0123456789abcdef" + here), "give each a secret of its own"},
	{"oidc without issuer", inAdmin("oidc {" + here + "\n audience a\n}"), "write `oidc <value>`"},
	{"oidc without audience", inAdmin("oidc https://login.example.com {" + here + "\n role write scope s\n}"), "with `audience`"},
	{"oidc without role", inAdmin("oidc https://login.example.com {" + here + "\n audience a\n}"), "add `role <role> scope <scope>…`"},
	{"audience of oidc without value", inOIDC("audience" + here + "\nrole write scope s"), "write `audience <value>…`"},
	{"role without scope", inOIDC("audience a\nrole write" + here), "want `role <role> scope <scope>…`"},
	{"unknown role of scopes", inOIDC("audience a\nrole read scope r\nrole god scope s" + here), "want read, write or break_glass"},

	// Health.
	{"health with an argument", inSite("curfew_health /livez now" + here), `remove "now"`},
	{"health with an option", inSite("curfew_health {\n path /ready" + here + "\n}"), "remove it"},
	{"health without global options", "{\n admin off\n}\nhttp://127.0.0.1:9 {\n curfew_health" + here + "\n}\n", "at the top"},

	// The ledger of a cluster. Files are looked for when the block is loaded.
	{"nats without url", inGlobal("ledger nats" + here), "write `ledger nats tls://<host>:4222`"},
	{"nats in plaintext", inGlobal("ledger nats nats://nats-1.internal:4222" + here), "write tls://nats-1.internal:4222"},
	{"missing credentials", inGlobal("ledger nats tls://nats-1.internal:4222 {" + here + "\n credentials missing\n}"), "let the user Caddy runs as read it"},
	{"credentials without value", inNATS("credentials" + here), "write `credentials <value>`"},
	{"system_credentials without value", inNATS("system_credentials" + here), "write `system_credentials <value>`"},
	{"tls_ca of nats without value", inNATS("tls_ca" + here), "write `tls_ca <value>`"},
	{"certificate without key", inNATS("tls_client_cert a" + here), "want `tls_client_cert <cert> <key>`"},
	{"stream with a dot", inNATS("replicas 3\nstream a.b" + here), "a name has up to 64 letters, digits, - and _"},
	{"too many replicas", inNATS("replicas 7" + here), "1 to 5 servers"},
	{"replicas in words", inNATS("replicas three" + here), "want a whole number"},
	{"unknown option of nats", inNATS("user me" + here), "the options of this block are credentials,"},
}

// Each mistake is refused by `caddy validate` with the file and line of the
// mistake and with its mend.
func TestCaddyValidateNamesTheLineOfAMistakeAndItsMend(t *testing.T) {
	gatewaytest.OwnDirectories(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "empty"), nil)
	writeFile(t, filepath.Join(dir, "short"), []byte("abc"))
	writeFile(t, filepath.Join(dir, "large"), make([]byte, 1<<20))
	writeFile(t, filepath.Join(dir, "html"), []byte("</style>"))
	writeFile(t, filepath.Join(dir, "pixel"), []byte("\x89PNG\x0d\x0a\x1a\x0a"))
	cert, _ := keyPair(t, dir, "pem")
	t.Chdir(dir)
	if err := os.Rename(cert, "pem"); err != nil {
		t.Fatal(err)
	}
	if err := validateFile(t, inSite("curfew billing\nrespond ok")); err != nil {
		t.Fatalf("the file that mistakes are put into is none itself: %v", err)
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			m.text = strings.ReplaceAll(m.text, "DIR", dir)
			before, _, marked := strings.Cut(m.text, here)
			if !marked {
				t.Fatal("no line is marked")
			}
			err := validateFile(t, m.text)
			if err == nil {
				t.Fatal("the mistake is taken for valid")
			}
			message := err.Error() + "\n"
			at := fmt.Sprintf("Caddyfile:%d", strings.Count(before, "\n")+1)
			if _, after, ok := strings.Cut(message, at); !ok || strings.ContainsAny(after[:1], "0123456789") {
				t.Errorf("it does not name %s: %s", at, message)
			}
			if !strings.Contains(message, m.mend) {
				t.Errorf("it does not say %q: %s", m.mend, message)
			}
			for _, twice := range []string{", at Caddyfile:", at} {
				if strings.Count(message, twice) > 1 {
					t.Errorf("it names places twice: %s", message)
				}
			}
		})
	}
}

// Every option that a block of the Caddyfile has is in a line with a mistake.
func TestEveryOptionHasAMistake(t *testing.T) {
	tried := make(map[string]bool)
	for _, m := range mistakes {
		before, _, _ := strings.Cut(m.text, here)
		line := before[strings.LastIndex(before, "\n")+1:]
		tried[strings.Fields(line)[0]] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	options := 0
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			table, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if name, ok := table.Type.(*ast.Ident); !ok || name.Name != "options" {
				return true
			}
			for _, e := range table.Elts {
				options++
				option, err := strconv.Unquote(e.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
				if err != nil || !tried[option] {
					t.Errorf("%s: no mistake is made in %s", file, option)
				}
			}
			return true
		})
	}
	if options < 50 {
		t.Errorf("only %d options were found", options)
	}
}

// validateFile runs `caddy validate` on a Caddyfile in the working directory.
func validateFile(t *testing.T, text string) error {
	t.Helper()
	writeFile(t, "Caddyfile", []byte(text))
	command := new(cobra.Command)
	caddycmd.Commands()["validate"].CobraFunc(command)
	command.SetArgs([]string{"--config", "Caddyfile", "--adapter", "caddyfile"})
	command.SilenceErrors, command.SilenceUsage = true, true
	var out bytes.Buffer
	command.SetOut(io.Discard)
	command.SetErr(&out)
	return command.Execute()
}
