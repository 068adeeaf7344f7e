package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const module = "curfew.dev/curfew"

// room is a folder of the design, with everything below it. A room imports
// rooms of lower floors, never of its own or a higher one.
type room struct {
	floor int
	why   string
}

var rooms = map[string]room{
	"revocation":  {0, "the vocabulary that every room shares; it must be provable without any of them"},
	"policy":      {1, "a decision is a pure function; whoever decides, decides the same"},
	"ledger":      {1, "durability must not depend on what records are good for"},
	"live":        {1, "ending a connection must work whoever asks for it"},
	"token":       {1, "bytes become a credential before anybody has an opinion on it"},
	"node":        {2, "the one way in of a revocation: every dialect above meets here"},
	"account":     {2, "registry and rules of accounts, the same for the API, the page and the guard"},
	"admin":       {3, "a plain http.Handler, served by two Caddy modules and by tests without Caddy"},
	"adminclient": {3, "calls the admin API from outside, and knows its bytes but not its code"},
	"signals":     {3, "other people's dialects, each translated to what node understands"},
	"login":       {3, "browser sign-in, next to the token room and not inside it"},
	"portal":      {3, "a page like any other caller of the rooms below"},
	"caddymodule": {4, "the composition root, and the only room that knows Caddy"},
	"":            {5, "registers the modules and holds no code"},
	"cmd":         {6, "a main of a few lines"},
	"e2e":         {7, "sees the product from outside"},
	"benchmarks":  {7, "measures the product from outside"},
	"docs":        {7, "tells of the product, and its tests hold it to that"},
	"deploy":      {7, "files for operators, and tests that run what they say"},
}

// foreign says who may import what is not ours, or not for everybody. Tests may, all
// of it.
var foreign = []struct {
	prefixes []string // of import paths
	only     []string // packages, with everything below them
	why      string
}{
	{
		[]string{"github.com/caddyserver/"},
		[]string{"caddymodule", "cmd", "e2e", "benchmarks"},
		"Caddy's life cycle has surprises; they are met in one room, and the others are tested without it",
	},
	{
		[]string{"github.com/nats-io/"},
		[]string{"ledger/nats", "benchmarks"},
		"what JetStream promises and doesn't is known in one room; the node sees a ledger",
	},
	{
		[]string{"go.etcd.io/bbolt"},
		[]string{"ledger/local"},
		"the local file is one kind of ledger; its format is nobody else's business",
	},
	{
		[]string{"github.com/danielgtaylor/huma/"},
		[]string{"internal/httpapi"},
		"the framework of the APIs is hidden behind one package; an operation is a plain function",
	},
	{
		[]string{"github.com/coreos/go-oidc/", "github.com/go-jose/"},
		[]string{"token", "login", "signals", "admin", "internal/devidp"},
		"who doesn't verify tokens has no use for their formats",
	},
	{
		[]string{"math/rand"},
		[]string{"token", "live", "node", "ledger/nats", "benchmarks", "internal/mutate", "internal/seedtest"},
		"breaks B6: what nobody may guess comes from crypto/rand, and these rooms draw delays and samples only",
	},
}

// standardOnly are packages that import the standard library and lower rooms.
var standardOnly = map[string]string{
	"revocation": "the index is pure: no clock, no I/O, nobody else's bugs on the hot path",
	"policy":     "the decision is pure: no clock, no request",
	"ledger":     "a contract has no implementation",
	"live":       "net/http is all that a live request needs",
	// Programs of operators import it. It brings them no dependency.
	"adminclient": "a client needs no more than net/http and the types of the answers",
}

// neverStandard are parts of the standard library that purity excludes.
var neverStandard = map[string][]string{
	"revocation": {"net", "net/http", "os", "log", "log/slog", "context"},
	"policy":     {"net", "net/http", "os", "log", "log/slog", "context"},
}

// inward are packages below internal/, and who imports them beside tests.
var inward = map[string][]string{
	"internal/strictjson":      nil,                                                    // anybody: duplicate and case-variant members are refused everywhere
	"internal/authorization":   nil,                                                    // anybody: a header that is read in two ways is two credentials; a challenge has one form
	"internal/origin":          nil,                                                    // anybody: an origin that is read in two ways lets a page of another site in
	"internal/loopback":        nil,                                                    // anybody: where plaintext is allowed is one rule
	"internal/pause":           nil,                                                    // anybody: a wait that outlives its caller holds up an exit
	"internal/outbound":        {"token", "signals", "login", "caddymodule"},           // the rooms that ask other parties; an answer must not come around the guard
	"internal/httpapi":         {"admin", "signals", "login", "portal", "caddymodule"}, // one gate for every API; caddymodule names the callers
	"internal/secret":          {"internal/httpapi", "caddymodule"},                    // configuration and the check of callers; the rooms below get none
	"internal/unread":          {"internal/httpapi", "caddymodule"},                    // refusals that don't wait for a body
	"internal/devidp":          {"caddymodule"},
	"internal/printable":       {"adminclient", "caddymodule"},    // the rooms that show what strangers chose
	"internal/bounded":         {"adminclient", "caddymodule"},    // the rooms that read answers and files into memory
	"internal/extendedconnect": {"cmd"},                           // changes the whole program
	"internal/seal":            {"admin", "login", "caddymodule"}, // what callers carry for a gateway; the rooms below remember for themselves
	"internal/pages":           {"portal", "caddymodule"},         // the rooms that show pages; the rooms below say which page it is
	"internal/archtest":        {},
	"internal/mutate":          {}, // a command for developers
	"internal/porttest":        {},
	"internal/gatewaytest":     {},
	"internal/seedtest":        {},

	"internal/identity":    {"caddymodule"}, // the guards alone: a second writer of identity is a second way in
	"internal/pathreading": {"caddymodule"}, // matchers are Caddy's; the rooms below see no path
}

// vague names say nothing about what is inside.
var vague = []string{"util", "utils", "helper", "helpers", "common", "manager", "misc", "shared", "base", "lib"}

// forTests reports whether a package exists for tests, as net/http/httptest does.
func forTests(pkg string) bool { return strings.HasSuffix(pkg, "test") && pkg != "internal/archtest" }

func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func withinAny(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(pkg, f) })
}

func roomOf(pkg string) string {
	name, _, _ := strings.Cut(pkg, "/")
	return name
}

// objection says what is wrong with an import of a file, or nothing. Packages
// are named by their folder; test tells a _test.go file.
func objection(pkg, imported string, test bool) string {
	path, ours := strings.CutPrefix(imported, module)
	path = strings.TrimPrefix(path, "/")
	test = test || forTests(pkg)
	if ours {
		return objectionToOurs(pkg, path, test)
	}
	return objectionToForeign(pkg, imported, test)
}

func objectionToOurs(pkg, path string, test bool) string {
	switch {
	case pkg == path, path == "" && test:
		return "" // a test may run the whole product
	case forTests(path):
		if !test {
			return "is for tests"
		}
		return ""
	case within(path, "internal"):
		who, known := inward[path]
		if !known {
			return "is not among the inward packages of internal/archtest"
		}
		if who != nil && !test && !withinAny(pkg, who) {
			return fmt.Sprintf("is for %s and for tests", strings.Join(who, ", "))
		}
		return ""
	case within(pkg, "internal"):
		if test {
			return ""
		}
		return "is a room; what is in internal/ serves rooms and knows none"
	case roomOf(pkg) == roomOf(path):
		return ""
	}
	from, to := rooms[roomOf(pkg)], rooms[roomOf(path)]
	if to.floor >= from.floor {
		return fmt.Sprintf("is not below it: %s", from.why)
	}
	return ""
}

func objectionToForeign(pkg, imported string, test bool) string {
	first, _, _ := strings.Cut(imported, "/")
	standard := !strings.Contains(first, ".")
	switch {
	case test:
		return ""
	case standard && slices.Contains(neverStandard[pkg], imported), !standard && standardOnly[pkg] != "":
		return standardOnly[pkg]
	}
	for _, f := range foreign {
		for _, prefix := range f.prefixes {
			if strings.HasPrefix(imported, prefix) && !withinAny(pkg, f.only) {
				return f.why
			}
		}
	}
	return ""
}
