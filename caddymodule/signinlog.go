package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"curfew.dev/curfew/login"
)

// accessLog writes the access log of requests that a log may not show as they are.
// Caddy has copied a request for its own line before any handler sees it, and that
// line would have the code and the state of a sign-in: in the address of a callback,
// and in the Referer of what follows. So Caddy's line is left out and the same line
// is written without them.
type accessLog struct {
	server *caddyhttp.Server
	log    *zap.Logger
}

func newAccessLog(ctx caddy.Context, server *caddyhttp.Server) *accessLog {
	l := &accessLog{server: server}
	for _, m := range ctx.Modules() {
		if app, ok := m.(*caddyhttp.App); ok {
			l.log = ctx.Logger(app).Named("log.access")
		}
	}
	return l
}

// tellsTooMuch reports whether a log may not show a request as it is. Almost none
// is such a request, so it is quick.
func tellsTooMuch(r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, login.Prefix) && isCallback(r.URL) {
		return true
	}
	for _, referer := range r.Header["Referer"] {
		if strings.Contains(referer, login.Prefix) {
			return true
		}
	}
	return false
}

// serve has next answer a request that a log may not show, and writes its line.
func (l *accessLog) serve(w http.ResponseWriter, r *http.Request, v *visit, next caddyhttp.Handler) (err error) {
	shown := withoutSecrets(r)
	r.Header["Referer"] = shown.Header["Referer"] // upstreams have logs, too
	if len(r.Header["Referer"]) == 0 {
		delete(r.Header, "Referer")
	}
	if skipped(r) {
		return next.ServeHTTP(w, r)
	}
	loggers := l.loggers(r)
	started, recorder := time.Now(), caddyhttp.NewResponseRecorder(w, nil, nil)
	// A proxy may still dial, and read these variables, after it has returned. So
	// they are written afterwards only for what no upstream sees: log_skip works
	// there, and not for a request that has a callback for its Referer.
	ours := isCallback(r.URL)
	if !ours {
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	defer func() {
		if ours && skipped(r) {
			return
		}
		if ours {
			caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
		}
		status, level := recorder.Status(), zapcore.InfoLevel
		if failed, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			status = failed.StatusCode
		}
		if status >= 500 {
			level = zapcore.ErrorLevel
		}
		user := ""
		if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
			user, _ = repl.GetString("http.auth.user.id")
		}
		fields := []zap.Field{
			zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: shown}), zap.Int64("bytes_read", max(r.ContentLength, 0)), zap.String("user_id", user),
			zap.Duration("duration", time.Since(started)), zap.Int("size", recorder.Size()), zap.Int("status", status),
			zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: withoutQuery(recorder.Header())}),
		}
		if v.logged.decision != "" {
			fields = append(fields, zap.Object("curfew", &v.logged))
		}
		for _, log := range loggers {
			log.Log(level, "handled request", fields...)
		}
	}()
	return next.ServeHTTP(recorder, r)
}

// skipped reports whether the configuration leaves a request out of the log.
func skipped(r *http.Request) bool {
	skip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool)
	return skip
}

// withoutSecrets returns a copy of a request that a log may show.
func withoutSecrets(r *http.Request) *http.Request {
	shown := r.Clone(r.Context())
	if isCallback(shown.URL) {
		shown.URL.RawQuery = ""
		shown.RequestURI = shown.URL.RequestURI()
	}
	var kept []string
	for _, referer := range r.Header["Referer"] {
		if u, err := url.Parse(referer); err == nil && !isCallback(u) {
			kept = append(kept, referer)
		}
	}
	shown.Header["Referer"] = kept
	if kept == nil {
		delete(shown.Header, "Referer")
	}
	return shown
}

// isCallback reports whether the query of an address holds a code and a state.
func isCallback(u *url.URL) bool {
	path := u.EscapedPath()
	return strings.HasPrefix(path, login.Prefix+"callback/") || path == login.Prefix+"finish"
}

// withoutQuery removes the query of a Location that sends the code on to another
// host.
func withoutQuery(h http.Header) http.Header {
	location, _, _ := strings.Cut(h.Get("Location"), "?")
	if to, err := url.Parse(h.Get("Location")); err != nil || !isCallback(to) {
		return h
	}
	h = h.Clone()
	h.Set("Location", location)
	return h
}

// loggers returns the loggers that Caddy would write the request to.
func (l *accessLog) loggers(r *http.Request) []*zap.Logger {
	if l.server == nil || l.server.Logs == nil || l.log == nil {
		return nil
	}
	host, logs := strings.ToLower(hostname(r.Host)), l.server.Logs
	names, mapped := []string{logs.DefaultLoggerName}, false
	if of, ok := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any); ok {
		names = nil
		for _, name := range of {
			text, _ := name.(string)
			names = append(names, text)
		}
		mapped = true
	} else {
		for pattern, of := range logs.LoggerNames {
			if certmagic.MatchWildcard(host, strings.ToLower(pattern)) && (!mapped || pattern == host) {
				names, mapped = of, true
			}
		}
	}
	skipped := slices.ContainsFunc(logs.SkipHosts, func(pattern string) bool { return certmagic.MatchWildcard(host, pattern) })
	if !mapped && (skipped || logs.SkipUnmappedHosts) {
		return nil
	}
	var all []*zap.Logger
	for _, name := range names {
		if name == "" {
			all = append(all, l.log)
			continue
		}
		all = append(all, l.log.Named(name))
	}
	return all
}
