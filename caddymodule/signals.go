package caddymodule

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"curfew.dev/curfew/signals"
	"curfew.dev/curfew/token"
)

// backchannelLogout returns the handler of logout tokens for the clients of some
// sign-ins.
func (a *App) backchannelLogout(names []string) *signals.BackchannelLogout {
	b := &signals.BackchannelLogout{
		// Guards that are provisioned later have it know more claims.
		Open: func(ctx context.Context, raw string, now time.Time) (*token.Opened, error) {
			return a.verifier.Open(ctx, raw, now)
		},
		Submit: a.submit, Now: a.gateway.now, Log: a.log, Observe: a.gateway.metrics.signals.received,
	}
	for _, name := range names {
		s := a.signIn(name)
		if i, err := s.issuerOf(a); err == nil {
			b.Receivers = append(b.Receivers, signals.Receiver{Name: name, Issuer: i.URL, Client: s.ClientID})
		}
	}
	return b
}

// signalMetrics counts what others have told.
type signalMetrics struct {
	total *prometheus.CounterVec
	last  *prometheus.GaugeVec
}

func newSignalMetrics() *signalMetrics {
	m := &signalMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "curfew", Name: "signals_total", Help: "Signals from outside.",
		}, []string{"sender", "event", "result"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "curfew", Name: "signals_last_received_timestamp_seconds", Help: "When a valid signal last came.",
		}, []string{"sender"}),
	}
	m.total.WithLabelValues(signals.Unknown, signals.SourceBackchannelLogout, signals.ResultRefused)
	return m
}

func (m *signalMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.total, m.last}
}

// prepare makes the counters of a sign-in, so that they are there before a signal
// comes. The time of the last one is 0 until then.
func (m *signalMetrics) prepare(signIn string) {
	m.last.WithLabelValues(signIn)
	for _, result := range signals.Results() {
		m.total.WithLabelValues(signIn, signals.SourceBackchannelLogout, result)
	}
}

// received counts a logout token.
func (m *signalMetrics) received(sender, result string) {
	m.total.WithLabelValues(sender, signals.SourceBackchannelLogout, result).Inc()
	if result == signals.ResultAccepted || result == signals.ResultRepeated {
		m.last.WithLabelValues(sender).SetToCurrentTime()
	}
}
