package devidp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxBody limits the body of a request, in bytes.
const maxBody = 64 << 10

// Provider is a running provider. Its methods may be called concurrently.
type Provider struct {
	issuer    string
	host      string // the issuer's host:port
	directory directory
	lifetime  time.Duration
	algorithm jose.SignatureAlgorithm
	now       func() time.Time
	store     *store
}

// New checks the configuration, reads the state file and makes a signing key if
// there is none. It refuses addresses that are not loopback.
func New(c Config) (*Provider, error) {
	host, err := issuerHost(c.Issuer)
	if err != nil {
		return nil, err
	}
	directory, err := newDirectory(c)
	if err != nil {
		return nil, err
	}
	lifetime := cmp.Or(c.AccessTokenLifetime, defaultAccessTokenLifetime)
	if lifetime < time.Second || lifetime%time.Second != 0 {
		return nil, fmt.Errorf("configuring access token lifetime %v: want whole seconds, at least one", lifetime)
	}
	file := stateFile{path: c.StateFile, issuer: c.Issuer}
	state, err := file.load()
	if err != nil {
		return nil, err
	}
	p := &Provider{
		issuer: c.Issuer, host: host, directory: directory, lifetime: lifetime,
		algorithm: cmp.Or(c.Algorithm, jose.ES256), now: c.Now, store: &store{file: file, state: state},
	}
	if p.now == nil {
		p.now = time.Now
	}
	if len(state.keys) == 0 || state.keys[0].JWK.Algorithm != string(p.algorithm) {
		if err := p.Rotate(lifetime); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Issuer returns the configured issuer.
func (p *Provider) Issuer() string { return p.issuer }

// Rotate makes a new signing key. The previous key stays in the key set for the
// given overlap. An overlap of at least the access token lifetime keeps its
// tokens valid. An overlap of 0 withdraws it at once, as after a theft.
func (p *Provider) Rotate(overlap time.Duration) error {
	next, err := newSigningKey(p.algorithm)
	if err != nil {
		return err
	}
	return p.store.update(func(s *state) error {
		now := p.now()
		s.keys = s.keys.rotate(next, now.Add(overlap).Unix(), now.Unix())
		return nil
	})
}

// Handler serves every endpoint. It refuses peers that are not loopback and
// every Host but the issuer's.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+discoveryPath, p.discovery)
	mux.HandleFunc("GET "+metadataPath, p.discovery)
	mux.HandleFunc("GET "+keysPath, p.keySet)
	mux.HandleFunc("GET "+stylePath, serveStyle)
	mux.HandleFunc("GET "+authorizePath, p.authorize)
	mux.Handle("POST "+authorizePath, form(p.authorize))
	// A page of another origin must not sign its visitor in as another user.
	mux.Handle("POST "+signInPath, http.NewCrossOriginProtection().Handler(form(p.signIn)))
	mux.Handle("POST "+tokenPath, form(p.token))
	mux.HandleFunc("GET "+logoutPath, p.logout)
	mux.Handle("POST "+logoutPath, form(p.logout))
	return onlyLoopback(p.host, common(mux))
}

// common sets the headers of every answer: the answer may carry secrets, and so
// may its address.
func common(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// form reads the body of a POST, up to maxBody.
func form(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := r.ParseForm(); err != nil {
			writeJSON(w, http.StatusBadRequest, invalidRequest("the body must be a small form"))
			return
		}
		next(w, r)
	})
}

// Serve answers on l until ctx ends, and then waits for open requests. It
// closes l. It refuses a listener that is not on loopback.
func (p *Provider) Serve(ctx context.Context, l net.Listener) error {
	if err := checkListener(l); err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{
		Handler:           p.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	shutdown := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		shutdown <- server.Shutdown(grace)
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serving provider: %w", err)
	}
	return <-shutdown
}
