package caddymodule

import (
	"context"
	"log/slog"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// processLog returns a logger for the state that outlives configurations. It
// writes to Caddy's current logger.
func processLog() *slog.Logger { return slog.New(passingOn{}) }

// passingOn passes each record on to the logger that Caddy has at that moment.
type passingOn struct{ with []zap.Field }

func zapLevel(l slog.Level) zapcore.Level {
	switch {
	case l >= slog.LevelError:
		return zapcore.ErrorLevel
	case l >= slog.LevelWarn:
		return zapcore.WarnLevel
	case l >= slog.LevelInfo:
		return zapcore.InfoLevel
	}
	return zapcore.DebugLevel
}

// Enabled asks Caddy's current logger.
func (p passingOn) Enabled(_ context.Context, l slog.Level) bool {
	return caddy.Log().Core().Enabled(zapLevel(l))
}

// Handle writes a record to Caddy's current logger.
func (p passingOn) Handle(_ context.Context, r slog.Record) error {
	fields := append([]zap.Field{}, p.with...)
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, zap.Any(a.Key, a.Value.Resolve().Any()))
		return true
	})
	(*observer)(nil).log().Log(zapLevel(r.Level), r.Message, fields...)
	return nil
}

// WithAttrs returns a handler that adds attributes to every record.
func (p passingOn) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := append([]zap.Field{}, p.with...)
	for _, a := range attrs {
		with = append(with, zap.Any(a.Key, a.Value.Resolve().Any()))
	}
	return passingOn{with}
}

// WithGroup returns the handler unchanged: no user of this logger makes groups.
func (p passingOn) WithGroup(string) slog.Handler { return p }
