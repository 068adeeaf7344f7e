package login

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// Deps are what sign-ins need of the gateway around them. All but Wait, Log,
// Observer, Verified and CacheBytes are required.
type Deps struct {
	// Keys returns the sealing keys as they are now: the first seals, all open.
	// It is called at most once a second by requests.
	Keys func() seal.Keys
	// OpenToken reads an ID token and checks its signature:
	// [token.Verifier.Open].
	OpenToken func(ctx context.Context, raw string, now time.Time) (*token.Opened, error)
	// Find collects the records that match a credential: [revocation.Index.Find].
	Find func(*revocation.Credential, *revocation.Finding)
	// Ready reports whether the node may decide.
	Ready func(now time.Time) bool
	// Submit makes a cut durable and has this node enforce it, or returns an
	// error.
	Submit func(ctx context.Context, d *revocation.Draft) error
	// Secure reports whether a request came over https, here or at a trusted
	// proxy.
	Secure func(*http.Request) bool
	// Pages writes what a person sees.
	Pages Pages
	// Now is the clock.
	Now func() time.Time
	// Wait returns nil after a time, or an error when ctx ends; nil: a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Verified is called with the credential of each ID token that was accepted.
	Verified func(*revocation.Credential)
	Log      *slog.Logger
	Observer Observer
	// CacheBytes bounds the cache of opened sessions; 0 means 16 MiB.
	CacheBytes int64
}

// Observer hears what sign-ins do, for metrics. Its methods must not block.
type Observer interface {
	// SignedIn reports the end of a sign-in, with one of a few results.
	SignedIn(signIn, result string)
	// Asked reports a request to a provider.
	Asked(signIn, endpoint, result string, took time.Duration)
	// Cookie reports how a session cookie that was not cached was read.
	Cookie(Problem)
}
