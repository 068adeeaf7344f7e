package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/policy"
)

// liveMetrics counts live requests and their ends.
type liveMetrics struct {
	cut     *prometheus.CounterVec
	overdue *prometheus.CounterVec
	took    *prometheus.HistogramVec
	live    *live.Registry
}

var descLive = prometheus.NewDesc("curfew_live_requests", "Admitted requests that have not ended, upgraded connections included.", []string{"protocol"}, nil)

func newLiveMetrics(r *live.Registry) *liveMetrics {
	m := &liveMetrics{
		live: r,
		cut: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "curfew_live_requests_cut_total", Help: "Live requests that were ended.",
		}, []string{"reason"}),
		overdue: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "curfew_live_requests_overdue_total", Help: "Requests that were cut and whose handler ignored it.",
		}, []string{"protocol"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "curfew_cut_duration_seconds", Help: "Time from the cut of a live request until its handler had returned.",
			Buckets:                     prometheus.ExponentialBuckets(0.0001, 2, 16), // 0.1 ms to 3 s
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, []string{"protocol"}),
	}
	for _, reason := range policy.Reasons() {
		m.cut.WithLabelValues(reason.String())
	}
	for _, reason := range []string{reasonExpired, reasonAged, reasonStopping} {
		m.cut.WithLabelValues(reason)
	}
	for _, p := range live.Protocols() {
		m.overdue.WithLabelValues(p.String())
		m.took.WithLabelValues(p.String())
	}
	return m
}

// Cut counts a request that begins to end.
func (m *liveMetrics) Cut(reason string) { m.cut.WithLabelValues(reason).Inc() }

// Ended observes the time from the cut to the end of a request.
func (m *liveMetrics) Ended(p live.Protocol, took time.Duration) {
	m.took.WithLabelValues(p.String()).Observe(took.Seconds())
}

// Overdue counts and logs a handler that has not returned after a cut.
func (m *liveMetrics) Overdue(p live.Protocol, took time.Duration) {
	m.overdue.WithLabelValues(p.String()).Inc()
	(*observer)(nil).log().Warn("a handler ignores that its request was cut; its reads and writes fail, but it has not returned",
		zap.String("protocol", p.String()), zap.Duration("since", took))
}

// Describe sends the descriptions of the metrics (see gauges).
func (m *liveMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- descLive
	m.cut.Describe(ch)
	m.overdue.Describe(ch)
	m.took.Describe(ch)
}

// Collect reads the registry and the counters.
func (m *liveMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, p := range live.Protocols() {
		ch <- prometheus.MustNewConstMetric(descLive, prometheus.GaugeValue, float64(m.live.Live(p)), p.String())
	}
	m.cut.Collect(ch)
	m.overdue.Collect(ch)
	m.took.Collect(ch)
}

// Interface guards
var (
	_ live.Observer        = (*liveMetrics)(nil)
	_ prometheus.Collector = (*liveMetrics)(nil)
)
