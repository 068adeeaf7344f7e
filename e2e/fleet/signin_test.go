//go:build e2e

package fleet

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curfew.dev/curfew/internal/devidp"
	"curfew.dev/curfew/internal/gatewaytest"
)

// signIn is what a gateway needs to sign browsers in, on localhost: a browser's
// cookies are those of a host and all its ports, so that two gateways are to it as
// one behind a balancer that sends each request anywhere.
type signIn struct{ Issuer, Port string }

// page is an address of the site on which browsers sign in.
func (g *gateway) page(path string) string { return "http://localhost:" + g.SignIn.Port + path }

const password = "correct horse battery staple"

// signInAt has gateways that are added sign people in at a provider.
func signInAt(t *testing.T, n int, people ...string) option {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := devidp.Config{Issuer: "http://" + listener.Addr().String(), Clients: []devidp.Client{{ID: "web", Audience: "api"}}}
	for _, name := range people {
		c.Users = append(c.Users, devidp.User{Subject: name, Password: password})
	}
	var ports []string
	for range n {
		_, port, _ := strings.Cut(freeAddress(), ":")
		ports = append(ports, port)
		c.Clients[0].RedirectURIs = append(c.Clients[0].RedirectURIs, "http://localhost:"+port+"/.curfew/callback/staff")
	}
	provider, err := devidp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- provider.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		<-served
	})
	return func(g *gateway) {
		g.SignIn = &signIn{c.Issuer, ports[0]}
		ports = ports[1:]
	}
}

// browser is that of one person.
type browser struct {
	f      *fleet
	person string
	client *http.Client
}

func (f *fleet) browser(person string) *browser {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	client := &http.Client{Timeout: patience, Jar: jar, Transport: &http.Transport{}}
	f.t.Cleanup(client.CloseIdleConnections)
	return &browser{f, person, client}
}

func (b *browser) do(method, address, origin string, form url.Values) (at *url.URL, a answer, err error) {
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, a, err
	}
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return nil, a, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Request.URL, answer{resp.StatusCode, resp.Header, body}, err
}

// signIn fills in the provider's page, and comes back to the page it asked for.
func (b *browser) signIn(g *gateway) {
	b.f.t.Helper()
	at, a, err := b.do(http.MethodGet, g.page("/"), "", nil)
	if err != nil {
		b.f.t.Fatal(err)
	}
	action := regexp.MustCompile(`action="([^"]+)"`).FindSubmatch(a.body)
	if action == nil {
		b.f.t.Fatalf("signing %s in at %s: %d at %s: %s", b.person, g.Name, a.status, at, a.body)
	}
	to, err := at.Parse(html.UnescapeString(string(action[1])))
	if err != nil {
		b.f.t.Fatal(err)
	}
	at, a, err = b.do(http.MethodPost, to.String(), g.SignIn.Issuer, url.Values{"user": {b.person}, "password": {password}})
	if err != nil || at.String() != g.page("/") || string(a.body) != "served\n" {
		b.f.t.Fatalf("signing %s in at %s: %d at %s: %s %v", b.person, g.Name, a.status, at, a.body, err)
	}
}

// errUndecided is of a gateway that serves nobody now.
var errUndecided = errors.New("undecided")

// visit asks a gateway for a page as a script does, which is not sent to sign in.
// It fails, but for errUndecided, unless the service is asked for this person.
func (b *browser) visit(g *gateway) error {
	r, err := http.NewRequest(http.MethodGet, g.page("/"), nil)
	if err != nil {
		return err
	}
	probe := rand.Text()
	r.Header.Set(probeHeader, probe)
	resp, err := b.client.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", errUndecided, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errUndecided, err)
	case resp.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", errUndecided, body)
	case resp.StatusCode != http.StatusOK || !slices.Equal(b.f.upstream.all()[probe], []string{b.person}):
		return fmt.Errorf("%s answers %s with %d %s", g.Name, b.person, resp.StatusCode, body)
	}
	return nil
}

// known fails the test unless a gateway serves this person as signed in.
func (b *browser) known(g *gateway) {
	b.f.t.Helper()
	b.f.decided(b, g, func(err error) error { return err })
}

// refused fails the test unless a gateway takes this person for nobody.
func (b *browser) refused(g *gateway) {
	b.f.t.Helper()
	b.f.decided(b, g, func(err error) error {
		if err == nil {
			return errors.New("admitted")
		}
		if !strings.Contains(err.Error(), " 401 ") {
			return err
		}
		return nil
	})
}

// decided waits for a decision of a gateway, which a busy machine may fence for a
// moment, and judges it.
func (f *fleet) decided(b *browser, g *gateway, wrong func(error) error) {
	f.t.Helper()
	var err error
	gatewaytest.Eventually(f.t, patience, g.Name+" decides about "+b.person, func() error {
		if err = b.visit(g); errors.Is(err, errUndecided) {
			return err
		}
		return nil
	})
	if err := wrong(err); err != nil {
		f.t.Errorf("%s at %s: %v", b.person, g.Name, err)
	}
}

// sealedBy is the id of the key that sealed this browser's session.
func (b *browser) sealedBy(g *gateway) string {
	u, err := url.Parse(g.page("/"))
	if err != nil {
		b.f.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if parts := strings.Split(c.Value, "."); c.Name == "curfew-dev" && len(parts) == 3 {
			return parts[1]
		}
	}
	return ""
}

// sealsBy has a gateway take its sealing keys, by a reload or a restart, and
// returns their ids once it says them.
func (f *fleet) sealsBy(g *gateway, restart bool, keys ...string) (ids []string) {
	f.t.Helper()
	g.SealingKeys = keys
	if restart {
		g.Stop(f.t)
		g.start(f.t)
	} else {
		g.reload(f.t)
	}
	gatewaytest.Eventually(f.t, patience, g.Name+" has its sealing keys", func() error {
		s, err := g.self(f.ctx)
		if err == nil && len(s.SealingKeys) != len(keys) {
			err = fmt.Errorf("it has %q", s.SealingKeys)
		}
		ids = s.SealingKeys
		return err
	})
	return ids
}

// Two nodes get another sealing key by the steps of docs/sign-in.md, one node after
// the other, one by reloads and one by restarts. Browsers go on asking both, and
// people go on signing in at either: nobody is ever signed out.
func TestASealingKeyIsChangedOnTwoNodesAndNobodyIsSignedOut(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, name := range []string{"old", "new"} {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		keys = append(keys, filepath.Join(t.TempDir(), name))
		if err := os.WriteFile(keys[len(keys)-1], []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, after := keys[0], keys[1]
	names := crowd("person", 8)
	f := newFleet(t, nil, 2, signInAt(t, 2, names...), func(g *gateway) { g.SealingKeys = []string{before} })
	one, other := f.gateways[0], f.gateways[1]

	var people []*browser
	joins := func(at *gateway) {
		t.Helper()
		b := f.browser(names[len(people)])
		b.signIn(at)
		people = append(people, b)
	}
	allKnown := func() {
		t.Helper()
		for _, b := range people {
			b.known(one)
			b.known(other)
		}
	}
	joins(one)
	joins(other)
	allKnown()
	// One never stops asking, and must be decided about as signed in always.
	busy := people[0]
	var asking sync.WaitGroup
	defer asking.Wait()
	quiet := make(chan struct{})
	stop := sync.OnceFunc(func() { close(quiet) })
	defer stop()
	asking.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-quiet:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if err := busy.visit(f.gateways[i%2]); err != nil && !errors.Is(err, errUndecided) {
				t.Errorf("while keys are changed: %v", err)
				return
			}
		}
	})

	var ids []string
	for _, step := range [][]string{{before, after}, {after, before}} {
		for i, g := range f.gateways {
			ids = f.sealsBy(g, i == 1, step...)
			joins(g)
			allKnown()
		}
	}
	// Use seals anew, after a tenth of idle. Operators wait for lifetime instead, after
	// which nobody has a session of the old key.
	for _, b := range people {
		gatewaytest.Eventually(t, patience, b.person+"'s session is sealed by the new key", func() error {
			if b != busy {
				b.known(one)
			}
			if id := b.sealedBy(one); id != ids[0] {
				return fmt.Errorf("it is sealed by %s of %s", id, ids)
			}
			return nil
		})
	}
	for i, g := range f.gateways {
		if left := f.sealsBy(g, i == 1, after); left[0] != ids[0] {
			t.Errorf("%s has the key %s, want %s", g.Name, left, ids[0])
		}
		joins(g)
		allKnown()
	}
	stop()
	asking.Wait()

	// What a key seals is judged by the ledger all the same.
	left := people[1]
	if _, a, err := left.do(http.MethodPost, other.page("/.curfew/sign-out"), "http://localhost:"+other.SignIn.Port, nil); err != nil || a.status != http.StatusOK {
		t.Errorf("signing out: %d %s %v", a.status, a.body, err)
	}
	left.refused(one)
	left.refused(other)
	busy.known(one)
}
