package login

import (
	"net/http"
	"time"

	"curfew.dev/curfew/policy"
)

// SignIns are the sign_ins of one configuration. They are safe for concurrent
// use once they serve.
type SignIns struct {
	deps  Deps
	cache *Cache
	named map[string]*SignIn
}

// New validates the configurations. The cache may be shared with the SignIns of
// configurations before and after.
func New(d Deps, cache *Cache, configs ...Config) (*SignIns, error) {
	all := &SignIns{deps: d, cache: cache, named: make(map[string]*SignIn)}
	for _, c := range configs {
		if err := c.Validate(); err != nil {
			return nil, err
		}
		all.named[c.Name] = &SignIn{all: all, config: c}
	}
	return all, nil
}

// Named is the sign-in of a name, or nil.
func (all *SignIns) Named(name string) *SignIn { return all.named[name] }

// SignIn is one configured sign_in.
type SignIn struct {
	all    *SignIns
	config Config
}

// Name is the configured name.
func (s *SignIn) Name() string { return s.config.Name }

// Title names the sign-in to people.
func (s *SignIn) Title() string { return s.config.Title }

// ClientID is the client at the provider.
func (s *SignIn) ClientID() string { return s.config.ClientID }

// AddOrigin has a host sign in by a redirect URI of its own, at an origin such
// as https://app.example.com:8443. Call it before requests come. It is an error
// where the sign-in has a callback that does not name the host.
func (s *SignIn) AddOrigin(host, origin string) error { return nil }

// Open returns the session of a cookie that was sent to a host, which has the
// form of [HostOf]. hit tells that it was remembered; then nothing is allocated.
// A session is nil if and only if there is a problem. It is no more than
// authentic and in its time: whether it is admitted is for the index and the
// policies to decide.
func (all *SignIns) Open(cookie, host string, now time.Time) (s *Session, hit bool, problem Problem) {
	return nil, false, Absent
}

// Begin answers a request whose credential the guards refuse with a 401, if it
// is a navigation of a browser's window: a GET is sent to the provider (303),
// and any other method gets a page that says that nothing was sent. It returns
// false, and has written nothing, for every other request; the answer to that
// has [Demand.Path] in its problem.
func (s *SignIn) Begin(w http.ResponseWriter, r *http.Request, d Demand) bool { return false }

// DemandOf is what a sign-in must bring to satisfy requirements, of which a
// decision has refused a session; s is that session, or nil.
func (s *SignIn) DemandOf(required *policy.Requirements, d *policy.Decision, of *Session) Demand {
	return Demand{}
}
