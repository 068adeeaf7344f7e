package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"curfew.dev/curfew/internal/identity"
	"curfew.dev/curfew/internal/pages"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

func init() { caddy.RegisterModule(new(App)) }

// App is Curfew. It configures the providers that may issue tokens, the
// policies that routes can name, and the ledger that keeps revocations. Guards,
// the admin API and the health endpoint belong to it.
type App struct {
	// The OpenID providers whose tokens are admitted. At least one.
	Issuers []*Issuer `json:"issuers,omitempty"`

	// The ways in which browsers sign in.
	SignIns []*SignIn `json:"sign_ins,omitempty"`

	// Named sets of requirements that guards refer to.
	Policies map[string]*Requirements `json:"policies,omitempty"`

	// The ledger that keeps revocations. Default: a local ledger in Caddy's
	// data directory.
	Ledger *Ledger `json:"ledger,omitempty"`

	// The meaning of an empty ledger. `sign_out_all` (the default) signs out
	// every session from before now, so that a lost disk un-revokes nothing.
	// `start` trusts the sessions that exist. `refuse` waits for
	// `caddy curfew init`.
	OnEmpty string `json:"on_empty,omitempty"`

	// The name of this node in receipts. Default: the host's name.
	NodeName string `json:"node_name,omitempty"`

	// The number of nodes that should exist. Receipts say `partial` while fewer
	// are heard. Default: not checked.
	ExpectNodes int `json:"expect_nodes,omitempty"`

	// How long a node may go without proof that it is fresh. After that it
	// fences itself: it refuses requests and ends open ones. At least 1s. A
	// local ledger is fresh by construction. Default: 30s.
	MaxStaleness caddy.Duration `json:"max_staleness,omitempty"`

	// The behaviour of a stale node: `deny` (the default), or `allow` to decide
	// by the revocations that it knows, which removes the bound from every
	// receipt.
	OnStale string `json:"on_stale,omitempty"`

	// The memory of the token cache, in bytes. Default: a sixteenth of GOMEMLIMIT,
	// or of the machine's memory where there is no limit, and at least 64 MiB.
	TokenCache int64 `json:"token_cache,omitempty"`

	// How the subject appears as `{http.auth.user.id}`, which access logs
	// record: `sub` (the default), `hash` or `off`.
	LogUser string `json:"log_user,omitempty"`

	// Where a line of JSON is written for each record that this node has written to
	// the ledger. Default: nowhere; the ledger has it all.
	AuditLog *AuditLog `json:"audit_log,omitempty"`

	// Refuse a configuration that shows holes in a guarded site. Otherwise they
	// are warnings. A hole is a route that reaches a guarded upstream without a
	// guard, or a guard that never runs.
	StrictSites bool `json:"strict_sites,omitempty"`

	// The keys that seal data which callers carry for this gateway, such as
	// previews. The first key seals, and all keys open. Default: a local ledger
	// has a key in its directory, which is made. In a cluster each process
	// makes a key, so a preview holds only on the node that made it.
	SealingKeys []SealingKey `json:"sealing_keys,omitempty"`

	// The look of the pages that people see, and where they lead.
	Pages *Pages `json:"pages,omitempty"`

	// The place in the Caddyfile. Error messages name it.
	Place place `json:"place,omitempty"`

	namesUsers  bool // log_user is not off
	hashesUsers bool // log_user is hash

	auditTo   string // audit_log, as a path; empty: nowhere
	looked    bool   // survey was called
	resources map[*caddyhttp.Server][]resource
	sealing   atomic.Pointer[seal.Files]
	stopping  <-chan struct{} // closed when this configuration is about to stop
	log       *slog.Logger
	gateway   *gateway
	keySets   []*pooledKeys
	issuers   map[string]*revocation.Issuer
	verifying token.VerifierConfig
	verifier  *token.Verifier
	digest    string
	dialects  map[string]string // by issuer
	claims    *claimSet         // apart from the app: cached tokens refer to it
	carried   identity.Headers  // the headers that all guards together set
	admins    []*Admin          // of this configuration
	entrances map[*caddyhttp.Server]*entrance
	extra     []*pooledKeys // of the admin API's providers, which release them

	signIns      *login.SignIns // nil: there are none
	pages        *pages.Set     // for sites that serve /.curfew/
	lonePages    *pages.Set     // for other sites
	local        sync.Once
	localHandler http.Handler
	localErr     error
}

// UnmarshalCaddyfile reads the global option:
//
//	curfew {
//		issuer <url> { … }
//		sign_in <name> { … }
//		policy <name> { … }
//		ledger local [<dir>]
//		ledger nats <url>… { … }
//		on_empty sign_out_all|start|refuse
//		node_name <name>
//		expect_nodes <n>
//		max_staleness <duration>
//		on_stale deny|allow
//		token_cache <size>
//		log_user sub|hash|off
//		audit_log <file>|stdout
//		sealing_key <file>
//		pages { … }
//		strict_sites
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // curfew
	a.Place = placeOf(d)
	if err := alone(d); err != nil {
		return err
	}
	err := options{
		"issuer":        a.parseIssuer,
		"sign_in":       a.parseSignIn,
		"policy":        a.parsePolicy,
		"ledger":        a.parseLedger,
		"on_empty":      word(&a.OnEmpty),
		"node_name":     word(&a.NodeName),
		"expect_nodes":  number(&a.ExpectNodes),
		"max_staleness": duration(&a.MaxStaleness),
		"on_stale":      word(&a.OnStale),
		"token_cache":   size(&a.TokenCache),
		"log_user":      word(&a.LogUser),
		"audit_log":     a.parseAuditLog,
		"sealing_key":   a.parseSealingKey,
		"pages":         a.parsePages,
		"strict_sites":  flag(&a.StrictSites),
	}.read(d, func() error { return decodeApp(caddyconfig.JSON(a, nil)).setDefaults() }, "issuer", "sign_in", "policy", "sealing_key")
	if err != nil {
		return err
	}
	return a.checkBlocks()
}

// checkBlocks checks blocks that depend on others. The defaults are set on a copy:
// what is adapted has only what was written.
func (a *App) checkBlocks() error {
	probe := decodeApp(caddyconfig.JSON(a, nil))
	for i, s := range a.SignIns {
		probe.SignIns[i].lines = s.lines
	}
	for _, i := range probe.Issuers {
		if err := i.provision(); err != nil {
			return nil // its own block has reported that
		}
	}
	return probe.checkSignIns()
}

// decodeApp decodes an app that is only checked, never used.
func decodeApp(config json.RawMessage) *App {
	a := new(App)
	_ = json.Unmarshal(config, a) // the adapter has just encoded it
	return a
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "curfew", New: func() caddy.Module { return new(App) }}
}

// Provision checks the configuration and acquires the state that lives as long
// as the process. It touches neither network nor ledger.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = ctx.Slogger()
	a.claims = new(claimSet)
	if len(a.Issuers) == 0 {
		return a.Place.name(errors.New("curfew needs at least one issuer: add `issuer <url> { audience <audience> }` to the global curfew options"))
	}
	if err := a.setDefaults(); err != nil {
		return a.Place.name(err)
	}
	store, err := a.Ledger.check(a.NodeName)
	if err != nil {
		return err
	}
	if err := a.provisionPages(); err != nil {
		return err
	}
	if a.auditTo, err = a.AuditLog.target(); err != nil {
		return err
	}
	for _, i := range a.Issuers { // nodes that differ in this alone have the same digest
		i.at, i.Place = i.Place, ""
	}
	for _, s := range a.SignIns {
		s.at, s.Place = s.Place, ""
	}
	a.sessionLifetimes()
	if a.gateway, err = acquireGateway(store, a.NodeName, a.TokenCache); err != nil {
		return err
	}
	if err := a.provisionSealing(); err != nil {
		return err
	}
	a.digest = digestOf(a)
	if err := a.gateway.metrics.register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	if err := a.watchStop(ctx); err != nil {
		return err
	}
	if err := a.provisionVerifier(); err != nil {
		return err
	}
	if err := a.checkSignIns(); err != nil {
		return err
	}
	if err := a.provisionSignIns(); err != nil {
		return err
	}
	for name, p := range a.Policies {
		r, err := p.compile()
		if err == nil {
			err = a.provide(needs{claims: r.Claims}) // also those of policies that only explain is asked about
		}
		if err != nil {
			return fmt.Errorf("policy %s: %w", name, err)
		}
	}
	return nil
}

// leastStaleness is the shortest bound that a node can keep, because proofs
// must arrive several times within it over a network.
const leastStaleness = time.Second

func (a *App) setDefaults() error {
	if a.NodeName == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("finding a name for this node (set node_name): %w", err)
		}
		a.NodeName = host
	}
	if a.MaxStaleness == 0 {
		a.MaxStaleness = caddy.Duration(30 * time.Second)
	}
	if a.TokenCache == 0 {
		a.TokenCache = shareOfTokens(memoryOfProcess())
	}
	for _, choice := range []struct {
		option string
		value  *string
		of     []string
	}{
		{"on_empty", &a.OnEmpty, []string{"sign_out_all", "start", "refuse"}},
		{"on_stale", &a.OnStale, []string{"deny", "allow"}},
		{"log_user", &a.LogUser, []string{"sub", "hash", "off"}},
	} {
		if err := choose(choice.option, choice.value, choice.of); err != nil {
			return err
		}
	}
	a.namesUsers, a.hashesUsers = a.LogUser != "off", a.LogUser == "hash"
	switch {
	case a.MaxStaleness < caddy.Duration(leastStaleness):
		return in("max_staleness", "", fmt.Errorf("max_staleness %s is too short for proofs to come in time: give at least %s", time.Duration(a.MaxStaleness), leastStaleness))
	case a.TokenCache < 1<<20:
		return in("token_cache", "", fmt.Errorf("token_cache %d is too small: give at least 1MiB", a.TokenCache))
	case strings.ContainsAny(a.NodeName, "/ \t\r\n"):
		return in("node_name", "", fmt.Errorf("node_name %q: a node is name/instance, so its name has no slash or space: choose another name", a.NodeName))
	case a.ExpectNodes < 0:
		return in("expect_nodes", "", fmt.Errorf("expect_nodes %d is negative: give the number of gateways, or leave it out", a.ExpectNodes))
	}
	return nil
}

// choose sets an empty option to its first value, and refuses unknown values.
func choose(option string, value *string, of []string) error {
	if *value == "" {
		*value = of[0]
	}
	if !slices.Contains(of, *value) {
		return in(option, "", fmt.Errorf("%s %q is unknown: want one of %q", option, *value, of))
	}
	return nil
}

// ofTheMachine lists members of ledgers and issuers that name places on this
// machine. Nodes may differ in them and still decide alike.
var ofTheMachine = []string{
	"place", "credential_place", "dir", "urls",
	"credentials", "system_credentials", "tls_ca", "tls_client_cert", "tls_client_key", "client_key", "client_secret",
}

// digestOf returns the same digest for nodes that decide alike.
func digestOf(a *App) string {
	b, err := json.Marshal(a)
	var members map[string]any
	if err != nil || json.Unmarshal(b, &members) != nil {
		return ""
	}
	delete(members, "place")
	delete(members, "node_name")
	delete(members, "token_cache")
	delete(members, "pages")
	delete(members, "audit_log")
	withoutMachine(members["ledger"])
	withoutMachine(members["issuers"])
	withoutMachine(members["sign_ins"])
	delete(members, "sealing_keys")
	members["sealing_key_ids"] = a.configuredKeyIDs()
	b, _ = json.Marshal(members) // it was decoded from JSON above
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

func withoutMachine(v any) {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(name string, value any) bool {
			path, isText := value.(string)
			isFile := name == "jwks" && isText && !strings.Contains(path, "://")
			return isFile || slices.Contains(ofTheMachine, name)
		})
		for _, member := range v {
			withoutMachine(member)
		}
	case []any:
		for _, item := range v {
			withoutMachine(item)
		}
	}
}

func (a *App) provisionVerifier() error {
	a.issuers = make(map[string]*revocation.Issuer, len(a.Issuers))
	a.dialects = make(map[string]string, len(a.Issuers))
	for _, i := range a.Issuers {
		if err := i.provision(); err != nil {
			return fmt.Errorf("issuer %s: %w", i.URL, err)
		}
		if _, twice := a.issuers[i.URL]; twice {
			return fmt.Errorf("issuer %s is configured twice: merge the two blocks", i.URL)
		}
		a.issuers[i.URL], a.dialects[i.URL] = i.shared(), i.dialect()
		keys, err := acquireKeySet(i, a.gateway.metrics)
		if err != nil {
			return fmt.Errorf("issuer %s: %w", i.URL, err)
		}
		a.keySets = append(a.keySets, keys)
		a.verifying.Issuers = append(a.verifying.Issuers, token.IssuerKeys{Issuer: i.settings(), Keys: keys.KeySet})
	}
	a.verifying.Cache, a.verifying.Verified = a.gateway.cache, a.gateway.node.Verified
	var err error
	a.verifier, err = token.NewVerifier(a.verifying)
	return err
}

// provide adds the needs of a guard to this configuration. Caddy provisions
// guards one after the other, before any request.
func (a *App) provide(n needs) error {
	a.carried.Include(n.headers)
	a.claims.take(n.claims)
	names := slices.Concat(a.verifying.Claims, a.claims.named())
	for _, m := range n.headers {
		names = append(names, m.Claim)
	}
	slices.Sort(names)
	a.verifying.Claims = slices.Compact(names)
	verifier, err := token.NewVerifier(a.verifying)
	if err != nil {
		return err
	}
	a.verifier = verifier
	return nil
}

// alsoFetch makes Start fetch further keys, which are not those of guarded
// tokens.
func (a *App) alsoFetch(keys []*pooledKeys) { a.extra = append(a.extra, keys...) }

// Start opens the ledger, unless an earlier configuration did, and fetches keys.
func (a *App) Start() error {
	a.setFetchTimeouts()
	for _, keys := range slices.Concat(a.keySets, a.extra) {
		keys.start()
	}
	a.awaitNewKeys()
	a.gateway.use(a)
	if err := a.gateway.start(a); err != nil {
		return err
	}
	if err := a.startSealing(); err != nil {
		return err
	}
	if a.signIns != nil {
		a.signIns.Prepare()
	}
	return nil
}

// Stop does nothing, because the next configuration may use the same state.
// Cleanup releases the state.
func (a *App) Stop() error { return nil }

// Cleanup releases everything that Provision acquired, even if Provision failed
// halfway.
func (a *App) Cleanup() error {
	var errs []error
	for _, keys := range a.keySets {
		errs = append(errs, releaseKeySet(keys))
	}
	if a.gateway != nil {
		a.gateway.leave(a)
		errs = append(errs, releaseGateway(a.gateway))
	}
	return errors.Join(errs...)
}

// issuer returns the configuration of an issuer, or nil.
func (a *App) issuer(url string) *Issuer {
	for _, i := range a.Issuers {
		if i.URL == url {
			return i
		}
	}
	return nil
}

// beginning returns the way in which this configuration begins a ledger.
func (a *App) beginning() beginning {
	b := beginning{node: a.gateway.node.ID()}
	switch a.OnEmpty {
	case "start":
		b.onEmpty = local.Start
	case "refuse":
		b.onEmpty = local.Refuse
	}
	for _, i := range a.Issuers {
		b.skew = max(b.skew, i.skew())
	}
	return b
}

// settings returns the settings of the node.
func (a *App) settings() node.Settings {
	version, _ := buildVersion()
	skews := make(map[string]time.Duration, len(a.Issuers))
	for _, i := range a.Issuers {
		skews[i.URL] = i.skew()
	}
	return node.Settings{
		MaxStaleness: time.Duration(a.MaxStaleness), Unbounded: a.OnStale == "allow", Expect: a.ExpectNodes,
		Version: version, ConfigDigest: a.digest, Issuers: a.issuerStatus, SealingKeys: a.keyIDs, Skews: skews,
	}
}

// appOf returns the app of the configuration that a module belongs to.
func appOf(ctx caddy.Context, directive string, at place) (*App, error) {
	app, err := ctx.AppIfConfigured("curfew")
	switch {
	case err == nil:
		return app.(*App), nil
	case errors.Is(err, caddy.ErrNotConfigured):
		return nil, at.name(fmt.Errorf("%s needs the global curfew options: add `{ curfew { issuer <url> { audience <audience> } } }` at the top: %w", directive, err))
	}
	return nil, err // the options exist, and the error says what is wrong
}

// activeApp returns the app of the configuration that serves now. Caddy's admin
// routers outlive a failed reload, so they must call it each time.
func activeApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("curfew")
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
