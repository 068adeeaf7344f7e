package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logged is the object `curfew` of an access-log line. It never holds a
// subject, session, token id or token.
type logged struct {
	decision   string
	reason     string
	policy     string
	issuer     string
	client     string
	revocation string
	cached     bool
	dryRun     bool
}

// MarshalLogObject writes what is known.
func (l *logged) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("decision", l.decision)
	for _, f := range [...]struct{ key, value string }{
		{"reason", l.reason}, {"policy", l.policy}, {"issuer", l.issuer}, {"client", l.client}, {"revocation_id", l.revocation},
	} {
		if f.value != "" {
			e.AddString(f.key, f.value)
		}
	}
	if l.issuer != "" {
		cache := "miss"
		if l.cached {
			cache = "hit"
		}
		e.AddString("cache", cache)
	}
	e.AddBool("dry_run", l.dryRun)
	return nil
}

// logDecision adds the object to the access log of the request, if it has one.
func logDecision(r *http.Request, l *logged) {
	ctx := r.Context()
	traceDecision(ctx, l)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.Logs == nil {
		return // this server writes no access log
	}
	if fields, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		fields.Set(zap.Object("curfew", l))
	}
}

// traceDecision adds an event to the span of the request, if Caddy's `tracing` has
// begun one. It holds no identifier.
func traceDecision(ctx context.Context, l *logged) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	attributes := []attribute.KeyValue{
		attribute.String("curfew.decision", l.decision), attribute.String("curfew.policy", l.policy),
	}
	if l.reason != "" {
		attributes = append(attributes, attribute.String("curfew.reason", l.reason))
	}
	span.AddEvent("curfew.decision", trace.WithAttributes(attributes...))
}

// setUser names the user to Caddy, which logs it, as log_user says.
func (a *App) setUser(r *http.Request, f *shownFacts) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || !a.namesUsers {
		return
	}
	user := f.user
	if a.hashesUsers {
		user = f.hashed
	}
	repl.Set("http.auth.user.id", user)
}

// hashed is a name for a user that does not reveal the subject.
func hashed(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return hex.EncodeToString(sum[:8])
}
