package caddymodule

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/login"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/signals"
	"curfew.dev/curfew/token"
)

// metrics are the collectors of one gateway. They are made once and registered
// with every configuration's registry, so that counters survive reloads.
type metrics struct {
	gateway *gateway

	decisions        *prometheus.CounterVec
	decisionDuration *prometheus.HistogramVec
	cacheRequests    *prometheus.CounterVec
	cacheHits        prometheus.Counter
	cacheMisses      prometheus.Counter
	fences           prometheus.Counter
	staleAdmissions  prometheus.Counter
	proofs           *prometheus.CounterVec
	ledgerErrors     *prometheus.CounterVec
	integrity        prometheus.Counter
	appendDuration   prometheus.Histogram
	enforcement      *prometheus.HistogramVec
	everywhere       prometheus.Histogram
	jwksSuccess      *prometheus.GaugeVec
	jwksFetches      *prometheus.CounterVec
	jwksUnknownKID   *prometheus.CounterVec
	adminRequests    *prometheus.CounterVec
	adminDuration    *prometheus.HistogramVec
	live             *liveMetrics
	signIns          *signInMetrics
	signals          *signalMetrics
}

func newMetrics(g *gateway) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "curfew", Name: name, Help: help}
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "curfew", Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, labels)
	}
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 14) // 0.5 ms to 4 s
	m := &metrics{
		gateway:   g,
		live:      newLiveMetrics(&g.live),
		signIns:   newSignInMetrics(),
		signals:   newSignalMetrics(),
		decisions: counter("decisions_total", "Decisions of guards.", "policy", "decision", "reason"),
		decisionDuration: histogram("decision_duration_seconds", "Time to decide, from the cache or with a verification.",
			[]float64{250e-9, 500e-9, 1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 10e-3, 100e-3}, "path"),
		cacheRequests:   counter("token_cache_requests_total", "Look-ups of verified tokens.", "result"),
		fences:          counter("fence_transitions_total", "Times this node fenced itself or was unfenced.").WithLabelValues(),
		staleAdmissions: counter("stale_admissions_total", "Requests admitted while stale, under on_stale allow.").WithLabelValues(),
		proofs:          counter("proofs_total", "Proofs that the sender of a bound token holds its key.", "result"),
		ledgerErrors:    counter("ledger_errors_total", "Ledger operations that failed.", "op"),
		integrity:       counter("ledger_integrity_failures_total", "Times the ledger failed its integrity checks.").WithLabelValues(),
		appendDuration:  histogram("ledger_append_duration_seconds", "Time until an append was durable.", seconds).WithLabelValues().(prometheus.Histogram),
		enforcement:     histogram("enforcement_duration_seconds", "Time from accepting a record to enforcing it here.", seconds, "source"),
		// The objective is a second, so a second is a bucket.
		everywhere: histogram("enforcement_everywhere_duration_seconds", "Time from accepting a record here to enforcing it on every node.",
			[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8}).WithLabelValues().(prometheus.Histogram),
		jwksSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("jwks_last_success_timestamp_seconds",
			"When the issuer's keys were last fetched.")), []string{"issuer"}),
		jwksFetches:    counter("jwks_fetches_total", "Fetches of an issuer's keys.", "issuer", "result"),
		jwksUnknownKID: counter("jwks_unknown_kid_total", "Tokens that named a key their issuer does not publish.", "issuer"),
		adminRequests:  counter("admin_requests_total", "Calls of the admin API.", "operation", "code"),
		adminDuration:  histogram("admin_request_duration_seconds", "Time to answer a call of the admin API.", seconds, "operation"),
	}
	m.cacheHits, m.cacheMisses = m.cacheRequests.WithLabelValues("hit"), m.cacheRequests.WithLabelValues("miss")
	m.ledgerErrors.WithLabelValues("append")
	m.proofs.WithLabelValues("ok")
	for _, fault := range token.ProofFaults() {
		m.proofs.WithLabelValues(fault.String())
	}
	for _, path := range []string{"hit", "verify"} {
		m.decisionDuration.WithLabelValues(path)
	}
	for _, source := range []string{"admin", "cli", login.Source, signals.SourceBackchannelLogout} {
		m.enforcement.WithLabelValues(source)
	}
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return append(slices.Concat(m.signIns.collectors(), m.signals.collectors()), []prometheus.Collector{
		m.decisions, m.decisionDuration, m.cacheRequests, m.fences, m.staleAdmissions, m.proofs, m.ledgerErrors, m.integrity,
		m.appendDuration, m.enforcement, m.everywhere, m.jwksSuccess, m.jwksFetches, m.jwksUnknownKID, m.adminRequests, m.adminDuration,
		m.live,
		gauges{m.gateway},
	}...)
}

// register adds the collectors to a configuration's registry. It is called once
// for each app, so a registry may hold them already.
func (m *metrics) register(r *prometheus.Registry) error {
	held := false
	for _, c := range m.collectors() {
		var already prometheus.AlreadyRegisteredError
		err := r.Register(c)
		switch {
		case errors.As(err, &already):
			held = true
		case err != nil:
			return err
		}
	}
	if held {
		return nil
	}
	return r.Register(readiness{m.gateway}) // a registry does not notice a second unchecked collector
}

// outcomes are the counters of one guard's decisions. Provision resolves them,
// so that a request builds no label.
type outcomes struct {
	admit, bypass       prometheus.Counter
	refuse, wouldRefuse []prometheus.Counter // by reason
	hit, verify         prometheus.Observer
}

func (m *metrics) outcomes(policyLabel string) *outcomes {
	of := func(decision, reason string) prometheus.Counter {
		return m.decisions.WithLabelValues(policyLabel, decision, reason)
	}
	o := &outcomes{
		admit: of("admit", policy.Admitted.String()), bypass: of("bypass", policy.NoCredential.String()),
		refuse: make([]prometheus.Counter, 1), wouldRefuse: make([]prometheus.Counter, 1),
		hit: m.decisionDuration.WithLabelValues("hit"), verify: m.decisionDuration.WithLabelValues("verify"),
	}
	for _, r := range policy.Reasons() {
		o.refuse = append(o.refuse, of("refuse", r.String()))
		o.wouldRefuse = append(o.wouldRefuse, of("would_refuse", r.String()))
	}
	return o
}

// looked counts a lookup in the token cache.
func (m *metrics) looked(hit bool) {
	if hit {
		m.cacheHits.Inc()
		return
	}
	m.cacheMisses.Inc()
}

// proved counts a proof of possession; a nil fault: it was good.
func (m *metrics) proved(fault *token.ProofError) {
	result := "ok"
	if fault != nil {
		result = fault.Fault.String()
	}
	m.proofs.WithLabelValues(result).Inc()
}

// adminCall counts a call of the admin API.
func (m *metrics) adminCall(operation string, code int, took time.Duration) {
	m.adminRequests.WithLabelValues(operation, strconv.Itoa(code)).Inc()
	m.adminDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// keyObserver counts the fetches of a key set.
type keyObserver struct {
	issuer     string
	success    prometheus.Gauge
	fetches    *prometheus.CounterVec
	unknownKID prometheus.Counter
}

func (m *metrics) keys(issuer string) *keyObserver {
	fetches := m.jwksFetches.MustCurryWith(prometheus.Labels{"issuer": issuer})
	for _, result := range token.FetchResults() {
		fetches.WithLabelValues(string(result))
	}
	return &keyObserver{issuer, m.jwksSuccess.WithLabelValues(issuer), fetches, m.jwksUnknownKID.WithLabelValues(issuer)}
}

// Fetched counts an attempt to fetch the keys, and logs a failure.
func (o *keyObserver) Fetched(result token.FetchResult, err error) {
	o.fetches.WithLabelValues(string(result)).Inc()
	if err != nil {
		(*observer)(nil).log().Warn("fetching an issuer's keys failed; keys that were fetched before serve for jwks_max_stale, without any its tokens are refused with 503",
			zap.String("issuer", o.issuer), zap.Error(err))
		return
	}
	o.success.SetToCurrentTime()
}

// Unused logs the keys of an issuer that are not used, when they change.
func (o *keyObserver) Unused(keys []token.UnusedKey) {
	if len(keys) == 0 {
		(*observer)(nil).log().Info("every key of an issuer's set is used again", zap.String("issuer", o.issuer))
		return
	}
	for _, k := range keys {
		(*observer)(nil).log().Warn("a key of an issuer's set is not used; mend it at the provider",
			zap.String("issuer", o.issuer), zap.String("kid", k.KeyID), zap.String("reason", k.Reason))
	}
}

// UnknownKey counts a token whose key the issuer does not publish.
func (o *keyObserver) UnknownKey() { o.unknownKID.Inc() }

// observer counts and logs the events of a node.
type observer struct {
	metrics *metrics
	state   node.State // the last state; changes come one at a time
}

// log returns Caddy's current logger. A configuration's own logger would not
// outlive it.
func (*observer) log() *zap.Logger { return caddy.Log().Named("curfew") }

func (o *observer) Appended(took time.Duration, err error) {
	if err != nil {
		o.metrics.ledgerErrors.WithLabelValues("append").Inc()
		o.log().Error("appending to the ledger", zap.Error(err))
		return
	}
	o.metrics.appendDuration.Observe(took.Seconds())
}

// Replayed logs a start that takes long.
func (o *observer) Replayed(r node.Replay) {
	o.log().Info("reading the ledger", zap.Uint64("sequence", r.At), zap.Uint64("of", r.Of))
}

// Written hands records to audit_log.
func (o *observer) Written(pos revocation.Position, records []revocation.Record) {
	g := o.metrics.gateway
	if g.auditsTo() == "" {
		return
	}
	for i := range records {
		g.auditor.note(g.node.ID(), g.node.ReceiptOf(&records[i], revocation.Ref{Position: pos, Item: uint16(i)}))
	}
}

func (o *observer) Enforced(source string, took time.Duration) {
	o.metrics.enforcement.WithLabelValues(source).Observe(took.Seconds())
}

// EnforcedEverywhere notes how long every node took.
func (o *observer) EnforcedEverywhere(took time.Duration) {
	o.metrics.everywhere.Observe(took.Seconds())
}

// Changed counts and logs a change of state.
func (o *observer) Changed(s node.State, why error) {
	before := o.state
	o.state = s
	if (before == node.Fenced) != (s == node.Fenced) {
		o.metrics.fences.Inc()
	}
	switch s {
	case node.Damaged:
		o.metrics.integrity.Inc()
		o.log().Error("the ledger failed its integrity checks; nothing is admitted until an operator has looked at it: see `caddy curfew doctor`",
			zap.Error(why))
	case node.Starting:
		o.log().Warn("not ready", zap.Error(why))
	case node.Fenced:
		o.log().Error("fenced: this node can't prove that it knows every revocation; it refuses requests until it can", zap.Error(why))
	case node.Ready:
		o.log().Info("node " + s.String())
	}
}

// doubts holds the log line for each doubt about a clock.
var doubts = map[node.ClockDoubt]string{
	node.ClockBehind: "this node's clock is behind what it has verified or recorded: synchronise it (NTP). " +
		"Until then tokens that are new are refused, and sign-outs are dated by the newest instant that is known",
	node.LedgerAhead: "the newest instant in the ledger is more than an hour beyond this node's clock: " +
		"one of the two clocks is, or was, wrong. No sign-out takes it over; whoever that record signs out can return when it has come",
	node.ClaimAhead: "another node says that it verified a token that is more than an hour beyond this node's clock: " +
		"one of the two clocks is wrong, or that node is not to be trusted. It is not believed",
}

// Doubted logs a doubt about a clock, and its end.
func (o *observer) Doubted(d node.ClockDoubt, by time.Duration) {
	if by == 0 {
		o.log().Info("a doubt about clocks is over", zap.String("doubt", doubts[d]))
		return
	}
	o.log().Error(doubts[d], zap.Duration("by", by))
}

// gauges reads the gateway at each scrape.
type gauges struct{ gateway *gateway }

var (
	descBuild      = prometheus.NewDesc("curfew_build_info", "The build that runs.", []string{"version", "revision"}, nil)
	descLedger     = prometheus.NewDesc("curfew_ledger_info", "The ledger in use.", []string{"kind", "epoch"}, nil)
	descConfig     = prometheus.NewDesc("curfew_config_info", "The configuration in use.", []string{"digest"}, nil)
	descCacheBytes = prometheus.NewDesc("curfew_token_cache_bytes", "Memory of verified tokens.", nil, nil)
	descCacheMax   = prometheus.NewDesc("curfew_token_cache_max_bytes", "The size of the token cache.", nil, nil)
	descProofs     = prometheus.NewDesc("curfew_proofs_remembered", "DPoP proofs that were used and are remembered.", nil, nil)
	descEvictions  = prometheus.NewDesc("curfew_token_cache_evictions_total", "Verified tokens dropped, or not taken, for want of room.", nil, nil)
	descEntries    = prometheus.NewDesc("curfew_index_entries", "Targets with something in force.", []string{"kind"}, nil)
	descIndexBytes = prometheus.NewDesc("curfew_index_bytes", "Memory of the index.", nil, nil)
	descSequence   = prometheus.NewDesc("curfew_ledger_last_sequence", "The sequence of the last record.", nil, nil)
	descBytes      = prometheus.NewDesc("curfew_ledger_bytes", "The size of the ledger's files on this machine, or of the replica.", nil, nil)
	descFree       = prometheus.NewDesc("curfew_ledger_free_bytes", "The room that is left on the disk of those files.", nil, nil)
	descFresh      = prometheus.NewDesc("curfew_freshness_timestamp_seconds", "Until when this node knows every acknowledged record.", nil, nil)
	descMaxStale   = prometheus.NewDesc("curfew_max_staleness_seconds", "How stale this node may be before it fences itself.", nil, nil)
	descFenced     = prometheus.NewDesc("curfew_fenced", "1 while this node refuses because it can't prove that it is fresh.", nil, nil)
	descOffset     = prometheus.NewDesc("curfew_clock_offset_seconds", "This machine's clock minus that of the ledger's servers, or minus the newest instant known where it is behind that.", nil, nil)
	descNodes      = prometheus.NewDesc("curfew_nodes", "Nodes heard of, by state.", []string{"state"}, nil)
	descExpected   = prometheus.NewDesc("curfew_nodes_expected", "Nodes that should be there; 0: not configured.", nil, nil)
)

// Describe sends what Collect may send.
func (gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descBuild, descLedger, descConfig, descCacheBytes, descCacheMax, descEvictions, descEntries, descIndexBytes, descSequence,
		descBytes, descFree, descProofs, descFresh, descMaxStale, descFenced, descOffset, descNodes, descExpected,
	} {
		ch <- d
	}
}

// Collect reads the gateway's state.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	version, revision := buildVersion()
	gauge(descBuild, 1, version, revision)
	n := g.gateway.node
	state := n.State()
	gauge(descFenced, oneIf(state == node.Fenced))
	for s, count := range byState(n.Nodes()) {
		gauge(descNodes, count, s)
	}
	if a := g.gateway.app.Load(); a != nil {
		gauge(descConfig, 1, a.digest)
		gauge(descMaxStale, time.Duration(a.MaxStaleness).Seconds())
		gauge(descExpected, float64(a.ExpectNodes))
	}
	cache := g.gateway.cache
	gauge(descCacheBytes, float64(cache.Bytes()))
	gauge(descCacheMax, float64(cache.Max()))
	gauge(descProofs, float64(g.gateway.replays.Len()))
	ch <- prometheus.MustNewConstMetric(descEvictions, prometheus.CounterValue, float64(cache.Evictions()))
	if l, err := n.Log(); err == nil {
		head := l.Head().Position
		gauge(descLedger, 1, g.gateway.store.kind, strconv.FormatUint(head.Epoch, 10))
		gauge(descSequence, float64(head.Sequence))
	}
	if size, err := diskUsage(g.gateway.store.dir); err == nil {
		gauge(descBytes, float64(size))
	}
	if free, known := diskFree(g.gateway.store.dir); known {
		gauge(descFree, float64(free))
	}
	if state == node.Ready || state == node.Fenced {
		gauge(descFresh, float64(g.gateway.now().Add(-n.Staleness()).UnixMilli())/1000)
	}
	if offset, known := clockOffset(n, g.gateway.now()); known {
		gauge(descOffset, offset.Seconds())
	}
	for _, k := range append(revocation.Kinds(), revocation.KindEveryone) {
		gauge(descEntries, float64(n.Index().Entries(k)), k.String())
	}
	gauge(descIndexBytes, float64(n.Index().Bytes()))
}

// readiness is the metric curfew_ready, of the gateway and of each issuer. The
// same name appears with and without a label, which a registry accepts from an
// unchecked collector only.
type readiness struct{ gateway *gateway }

const readyHelp = "1 while requests are decided, as /readyz says; by issuer: 1 while the issuer's keys are there."

var (
	descReady       = prometheus.NewDesc("curfew_ready", readyHelp, nil, nil)
	descIssuerReady = prometheus.NewDesc("curfew_ready", readyHelp, []string{"issuer"}, nil)
)

// Describe sends nothing, which makes the collector unchecked.
func (readiness) Describe(chan<- *prometheus.Desc) {}

// Collect uses the same checks as the probes.
func (r readiness) Collect(ch chan<- prometheus.Metric) {
	a := r.gateway.app.Load()
	if a == nil {
		ch <- prometheus.MustNewConstMetric(descReady, prometheus.GaugeValue, 0)
		return
	}
	ch <- prometheus.MustNewConstMetric(descReady, prometheus.GaugeValue, oneIf(a.ready(false)))
	now := r.gateway.now()
	for i, keys := range a.keySets {
		ch <- prometheus.MustNewConstMetric(descIssuerReady, prometheus.GaugeValue, oneIf(a.hasKeys(i, now)), keys.Issuer())
	}
}

// byState counts nodes. States without nodes have a zero.
func byState(nodes []node.Status) map[string]float64 {
	of := map[string]float64{node.Silent: 0, node.Keyless: 0}
	for s := node.Starting; s <= node.Damaged; s++ {
		of[s.String()] = 0
	}
	for i := range nodes {
		if _, known := of[nodes[i].State]; known { // other nodes may send unknown states
			of[nodes[i].State]++
		}
	}
	return of
}

// clockOffset returns this machine's clock minus the clock of the ledger's
// servers. It returns minus the newest time that the node knows if there are no
// servers, or if that time shows the clock to be further behind. Zero: nothing
// contradicts the clock.
func clockOffset(n *node.Node, now time.Time) (offset time.Duration, known bool) {
	l, err := n.Log()
	if err != nil {
		return 0, false
	}
	behind := n.ClockBehind(now)
	shared, ok := l.(ledger.Shared)
	if !ok {
		return -behind, true
	}
	c := shared.Connection()
	if behind > 0 {
		return min(c.Offset, -behind), true
	}
	return c.Offset, c.Measured
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Interface guards
var (
	_ prometheus.Collector = gauges{}
	_ prometheus.Collector = readiness{}
	_ node.Observer        = (*observer)(nil)
	_ token.Observer       = (*keyObserver)(nil)
)
