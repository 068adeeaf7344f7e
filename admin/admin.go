package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// Explanation is how a token would fare, and why.
type Explanation struct {
	Decision string         `json:"decision" enum:"admit,refuse"`
	Reason   string         `json:"reason" doc:"admitted, or the problem type of the refusal without its prefix" example:"signed-out"`
	Rules    []policy.Tried `json:"rules" nullable:"false" doc:"Every rule that was tried, with its inputs, in the order of the decision"`
}

// ErrUnknownPolicy is wrapped by Config.Explain's errors about a policy that is
// not configured. Their text is shown to the caller.
var ErrUnknownPolicy = errors.New("unknown policy")

// Config of a handler.
type Config struct {
	// Node is written to and read from. Required.
	Node *node.Node
	// Memory outlives the handler: give the next configuration's handler the
	// same one. Nil: a new one.
	Memory *Memory
	// SealingKeys seal previews, so that they confirm a write wherever the same
	// keys are. Nil or none: keys of the memory's own.
	SealingKeys func() seal.Keys
	// Sightings are counted by previews and searched for sessions; nil: nothing
	// was seen.
	Sightings *account.Sightings
	// Issuers are the configured ones. Records hold copies of their settings, so
	// that no later change of the configuration can un-revoke.
	Issuers []revocation.Issuer
	// Facts returns what the tokens of an issuer were seen to carry; nil: no
	// token was seen.
	Facts func(issuer string) revocation.Facts
	// Authenticate names the caller of a request. Required; see [Local]. An error
	// is a 401, or the [Problem] that it wraps.
	Authenticate func(*http.Request) (Caller, error)
	// Again asks anew which role the caller of a request has, while the request
	// goes on and before it writes. It answers for the configuration in force,
	// which may have replaced this one; [ErrStopping] says that there is none.
	// Nil: Authenticate does, and must name the same caller.
	Again func(*http.Request, Caller) (Role, error)
	// Explain judges a token by the named policies as the guards would. Nil:
	// explanations are not available. The token must not be logged, nor be
	// part of the error.
	Explain func(ctx context.Context, token string, policies []string) (Explanation, error)
	// LiveRequests counts the live requests of a target; nil: none.
	LiveRequests func(revocation.Target) int
	// EachLiveRequest calls back with the credential of every live request of a
	// target; nil: there are none.
	EachLiveRequest func(revocation.Target, func(*revocation.Credential))
	// Crowded reports whether there is no memory for more entries; nil: there
	// always is.
	Crowded func() bool
	// ExpectNodes is how many there should be; 0: not said.
	ExpectNodes int
	// Prefix comes before every path, such as "/curfew". It has no slash at
	// its end.
	Prefix string
	// Done, once closed, ends the event streams of this handler: who was let in
	// by a configuration must not listen beyond it. Nil: never.
	Done <-chan struct{}
	// Now is the clock; nil: the machine's.
	Now func() time.Time
	// Observe is told of every request: the operation's name ("unknown" where
	// no route matched), the status and how long it took. Nil: nobody is.
	Observe func(operation string, code int, took time.Duration)
	// Log gets the audit lines. Nil: they are dropped.
	Log *slog.Logger
}

// New makes the handler. Errors name what the configuration lacks.
func New(cfg Config) (http.Handler, error) {
	switch {
	case cfg.Node == nil:
		return nil, errors.New("making the admin API: it needs a node")
	case cfg.Authenticate == nil:
		return nil, errors.New("making the admin API: it needs a way to authenticate callers")
	}
	if cfg.Memory == nil {
		cfg.Memory = new(Memory)
	}
	if cfg.Sightings == nil {
		cfg.Sightings = new(account.Sightings)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, int, time.Duration) {}
	}
	if cfg.Crowded == nil {
		cfg.Crowded = func() bool { return false }
	}
	if cfg.LiveRequests == nil {
		cfg.LiveRequests = func(revocation.Target) int { return 0 }
	}
	if cfg.EachLiveRequest == nil {
		cfg.EachLiveRequest = func(revocation.Target, func(*revocation.Credential)) {}
	}
	a := &api{Config: cfg, issuers: make(revocation.Issuers)}
	for i := range cfg.Issuers {
		is := &cfg.Issuers[i]
		if _, twice := a.issuers[is.URL]; twice {
			return nil, fmt.Errorf("making the admin API: issuer %s is configured twice", is.URL)
		}
		a.issuers[is.URL] = is
	}
	if err := a.register(); err != nil {
		return nil, fmt.Errorf("making the admin API: %w", err)
	}
	return a.http, nil
}

type api struct {
	Config
	issuers revocation.Issuers
	http    *httpapi.API
}
