package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"curfew.dev/curfew/login"
)

// signInMetrics counts what sign-ins do.
type signInMetrics struct {
	done     *prometheus.CounterVec
	asked    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	cookies  []prometheus.Counter // by problem
	opened   *prometheus.CounterVec
}

func newSignInMetrics() *signInMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "curfew", Name: name, Help: help}, labels)
	}
	m := &signInMetrics{
		done:  counter("sign_ins_total", "How sign-ins of browsers went.", "sign_in", "result"),
		asked: counter("provider_requests_total", "Requests to the provider of a sign-in, those for its keys aside.", "sign_in", "endpoint", "result"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "curfew", Name: "provider_request_duration_seconds", Help: "Time until the provider of a sign-in answered.",
			Buckets:                     prometheus.ExponentialBuckets(0.005, 2, 12), // 5 ms to 10 s
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, []string{"sign_in", "endpoint"}),
		opened: counter("session_cookies_total", "Session cookies that were read and not remembered.", "result"),
	}
	for _, p := range login.Problems() {
		m.cookies = append(m.cookies, m.opened.WithLabelValues(p.String()))
	}
	return m
}

func (m *signInMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.done, m.asked, m.duration, m.opened}
}

// prepare makes the counters of a sign-in, so that they are there before it is used.
func (m *signInMetrics) prepare(signIn string) {
	for _, result := range login.Results {
		m.done.WithLabelValues(signIn, result)
	}
	for _, endpoint := range login.Endpoints {
		m.duration.WithLabelValues(signIn, endpoint)
		for _, result := range []string{"ok", "error"} {
			m.asked.WithLabelValues(signIn, endpoint, result)
		}
	}
}

// SignedIn counts the end of a sign-in.
func (m *signInMetrics) SignedIn(signIn, result string) { m.done.WithLabelValues(signIn, result).Inc() }

// Asked counts a request to a provider.
func (m *signInMetrics) Asked(signIn, endpoint, result string, took time.Duration) {
	m.asked.WithLabelValues(signIn, endpoint, result).Inc()
	m.duration.WithLabelValues(signIn, endpoint).Observe(took.Seconds())
}

// Cookie counts a session cookie that was opened.
func (m *signInMetrics) Cookie(p login.Problem) { m.cookies[p].Inc() }

// Interface guard
var _ login.Observer = (*signInMetrics)(nil)
