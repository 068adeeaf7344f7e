package caddymodule

import (
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

// accessLog writes the access log of what is under /.curfew/. Caddy has copied the
// request for its own line before any handler sees it, and that line would have
// the code and the state of a sign-in: in the address, and in the Referer of what
// follows. So Caddy's line is left out and the same line is written without them.
type accessLog struct {
	server *caddyhttp.Server
	log    *zap.Logger
}

func newAccessLog(ctx caddy.Context) *accessLog {
	l := new(accessLog)
	l.server, _ = ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	for _, m := range ctx.Modules() {
		if app, ok := m.(*caddyhttp.App); ok {
			l.log = ctx.Logger(app).Named("log.access")
		}
	}
	return l
}

// serve has h answer the request as the browser sent it.
func (l *accessLog) serve(w http.ResponseWriter, r, sent *http.Request, h http.Handler) {
	shown, secret := withoutSecrets(sent)
	if !secret {
		h.ServeHTTP(w, sent)
		return
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	loggers := l.loggers(r)
	if len(loggers) == 0 {
		h.ServeHTTP(w, sent)
		return
	}
	started, recorder := time.Now(), caddyhttp.NewResponseRecorder(w, nil, nil)
	h.ServeHTTP(recorder, sent)
	level := zapcore.InfoLevel
	if recorder.Status() >= 500 {
		level = zapcore.ErrorLevel
	}
	for _, log := range loggers {
		log.Log(level, "handled request",
			zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: shown}), zap.Int("bytes_read", 0), zap.String("user_id", ""),
			zap.Duration("duration", time.Since(started)), zap.Int("size", recorder.Size()), zap.Int("status", recorder.Status()),
			zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: withoutQuery(recorder.Header())}))
	}
}

// withoutSecrets returns the request as a log may show it, and whether that
// differs.
func withoutSecrets(r *http.Request) (shown *http.Request, differs bool) {
	here, from := isCallback(r.URL), false
	referer, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || referer != nil && isCallback(referer) {
		from = r.Header.Get("Referer") != ""
	}
	if !here && !from {
		return r, false
	}
	shown = r.Clone(r.Context())
	if here {
		shown.URL.RawQuery = ""
		shown.RequestURI = shown.URL.RequestURI()
	}
	if from {
		shown.Header.Del("Referer")
	}
	return shown, true
}

// isCallback reports whether the query of an address holds a code and a state.
func isCallback(u *url.URL) bool {
	path := u.EscapedPath()
	return strings.HasPrefix(path, login.Prefix+"callback/") || path == login.Prefix+"finish"
}

// withoutQuery removes the query of Location, which sends the code on to another
// host.
func withoutQuery(h http.Header) http.Header {
	location, query, _ := strings.Cut(h.Get("Location"), "?")
	if query == "" {
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
