package login

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"curfew.dev/curfew/internal/loopback"
	"curfew.dev/curfew/internal/pause"
)

// SignIns are the sign_ins of one configuration. They are safe for concurrent
// use.
type SignIns struct {
	deps  Deps
	keys  keyring
	cache *cache
	turns turns
	named map[string]*SignIn

	waiting atomic.Int64 // callbacks, for another tab
}

// New validates the configurations.
func New(d Deps, configs ...Config) (*SignIns, error) {
	if d.Wait == nil {
		d.Wait = pause.For
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Observer == nil {
		d.Observer = deaf{}
	}
	cache, err := newCache(d.CacheBytes)
	if err != nil {
		return nil, err
	}
	all := &SignIns{deps: d, keys: keyring{read: d.Keys}, cache: cache, named: make(map[string]*SignIn)}
	for _, c := range configs {
		if err := c.Validate(); err != nil {
			return nil, err
		}
		if all.named[c.Name] != nil {
			return nil, fmt.Errorf("sign_in %s is configured twice: give one of them another name", c.Name)
		}
		s := &SignIn{all: all, config: c}
		s.provider.signIn = s
		all.named[c.Name] = s
	}
	return all, nil
}

// Prepare asks each provider for its metadata, and returns at once. Without it,
// the first sign-in asks.
func (all *SignIns) Prepare() {
	for _, s := range all.named {
		s.provider.refresh(all.deps.Now())
	}
}

// Keep has the sessions that the sign-in makes hold a claim, beside those of its
// [Config]. Call it before requests come.
func (s *SignIn) Keep(c Claim) {
	for i := range s.config.Claims {
		known := &s.config.Claims[i]
		if known.Name != c.Name {
			continue
		}
		if known.Values != nil && c.Values != nil {
			known.Values = slices.Concat(known.Values, slices.DeleteFunc(slices.Clone(c.Values), func(v string) bool { return slices.Contains(known.Values, v) }))
		} else {
			known.Values = nil
		}
		return
	}
	s.config.Claims = append(slices.Clip(s.config.Claims), c)
}

// Session opens the session that a request carries in a cookie of these names. It
// allocates nothing if the session is remembered. There is none over plain http but
// on this machine.
func (all *SignIns) Session(cookie string, two bool, r *http.Request, secure bool, now time.Time) (s *Session, hit bool, problem Problem) {
	host := HostOf(r)
	switch {
	case !secure && !loopback.Is(host):
		return nil, false, Absent
	case two:
		return nil, false, Damaged
	}
	return all.Open(cookie, host, now)
}

// Named is the sign-in of a name, or nil.
func (all *SignIns) Named(name string) *SignIn { return all.named[name] }

// SignIn is one configured sign_in.
type SignIn struct {
	all      *SignIns
	config   Config
	provider provider

	mu      sync.Mutex
	origins map[string]string // by host, without a callback
}

// Name is the configured name.
func (s *SignIn) Name() string { return s.config.Name }

// Title names the sign-in to people.
func (s *SignIn) Title() string {
	if s.config.Title == "" {
		return s.config.Name
	}
	return s.config.Title
}

// Issuer is the iss of its sessions.
func (s *SignIn) Issuer() string { return s.config.Issuer.URL }

// ClientID is the client at the provider.
func (s *SignIn) ClientID() string { return s.config.ClientID }

func (s *SignIn) log() *slog.Logger { return s.all.deps.Log }

// AddOrigin has a host sign in by a redirect URI of its own, at an origin such
// as https://app.example.com:8443, which is the host's. It does nothing where the
// sign-in has a callback that names the host, or whose origin is on that host, and
// is an error where the callback does neither.
func (s *SignIn) AddOrigin(origin string) error {
	if c := s.config.Callback; c != nil {
		// Scheme and port are the callback's: a proxy in front may have another.
		u, err := url.Parse(origin)
		if err == nil && (s.isCallbackHost(u.Hostname()) || slices.Contains(c.Hosts, u.Hostname())) {
			return nil
		}
		return fmt.Errorf("the callback of sign_in %s does not name the host of %s: add the host to `callback`, or use another sign_in here", s.config.Name, origin)
	}
	u, err := parseOrigin(origin)
	if err != nil {
		return err
	}
	host := u.Hostname()
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.origins[host]; ok && other != origin {
		return fmt.Errorf("%s and %s are one host, and a browser sends its cookies to both: name one of them", other, origin)
	}
	if s.origins == nil {
		s.origins = make(map[string]string)
	}
	s.origins[host] = origin
	return nil
}

// isCallbackHost reports whether the callback of the sign-in is on a host.
func (s *SignIn) isCallbackHost(host string) bool {
	if s.config.Callback == nil {
		return false
	}
	u, err := url.Parse(s.config.Callback.Origin)
	return err == nil && u.Hostname() == host
}

// originOf is the origin of a host that signs in by this sign-in: from the
// configuration, never from a request.
func (s *SignIn) originOf(host string) (origin string, ok bool) {
	if c := s.config.Callback; c != nil {
		u, err := url.Parse(c.Origin)
		if err != nil || !slices.Contains(c.Hosts, host) {
			return "", false
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if port := u.Port(); port != "" {
			host += ":" + port
		}
		return u.Scheme + "://" + host, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	origin, ok = s.origins[host]
	return origin, ok
}

// hosts are those that sign in by this sign-in.
func (s *SignIn) hosts() []string {
	if c := s.config.Callback; c != nil {
		return c.Hosts
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.origins))
}

// redirectURI is where the provider sends the browsers of a host back to.
func (s *SignIn) redirectURI(host string) (string, bool) {
	origin, ok := s.originOf(host)
	if s.config.Callback != nil {
		origin = s.config.Callback.Origin
	}
	return origin + Prefix + "callback/" + s.config.Name, ok
}

// visitor is what every answer to a browser depends on.
type visitor struct {
	now     time.Time
	host    string
	secure  bool
	cookies Cookies
}

var errInsecure = errors.New("the request came over plain http")

// visitor looks at a request. Plain http is for this machine alone.
func (all *SignIns) visitor(r *http.Request) (visitor, error) {
	v := visitor{now: all.deps.Now(), host: HostOf(r), secure: all.deps.Secure(r)}
	v.cookies = CookiesOf(v.secure)
	if !v.secure && !loopback.Is(v.host) {
		return v, errInsecure
	}
	return v, nil
}

// session opens the session that a request carries.
func (all *SignIns) session(r *http.Request, v *visitor) (*Session, Problem) {
	cookie, two := Read(r.Header, v.cookies.Session)
	if two {
		return nil, Damaged
	}
	s, _, problem := all.Open(cookie, v.host, v.now)
	return s, problem
}

// deaf is an Observer that hears nothing.
type deaf struct{}

func (deaf) SignedIn(string, string)                     {}
func (deaf) Asked(string, string, string, time.Duration) {}
func (deaf) Cookie(Problem)                              {}
