package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"curfew.dev/curfew/node"
)

// story is what happens when alice loses her phone, and what it left behind.
type story struct {
	*stage

	lost     []string    // Authorization headers of alice's sessions from before
	browsers [2]*browser // alice's
	alice    node.Receipt
	bob      node.Receipt
	key      string
}

func newStory(s *stage) *story {
	return &story{
		stage: s, key: rand.Text(),
		browsers: [2]*browser{newBrowser("alice", s.api.issuer), newBrowser("alice", s.api.issuer)},
	}
}

func (s *story) steps() []step {
	return []step{
		{"without a token: 401, and the service is not asked", s.stranger},
		{"alice signs in on a phone, a laptop and a game console, bob on a laptop", s.everybodySignsIn},
		{"all four pass the gateway, which tells the service who they are", s.everybodyPasses},
		{"alice opens the service in two browsers: each signs in and gets the page", s.browsersSignIn},
		{"preview: one account, four sessions; the game console is exempt", s.preview},
		{"sign alice out everywhere: durable, enforced, the console named", s.signOut},
		{"her phone and her laptop: 401 with the exact challenge", s.lostIsRefused},
		{"both browsers: back to the sign-in page; a script hears that it is signed out", s.browsersAreOut},
		{"her phone refreshes its token: 401 all the same", s.refreshDoesNotHelp},
		{"bob and the game console: 200", s.othersPass},
		{"the sign-out is retried with the same key: the same receipt", s.retry},
		{"alice signs in again on her phone: 200", s.signInAgain},
		{"and in one browser: it gets the page; the other is still out", s.browserSignsInAgain},
		{"her old tokens: still 401", s.lostIsRefused},
		{"the gateway stops and starts again on the same data: as before", s.restartGateway},
		{"a gateway process signs bob out and is killed: both stay out", s.killGateway},
		{"alice presses \"sign out\" in her browser: it is out, her phone is not", s.browserSignsOut},
	}
}

func (s *story) stranger(ctx context.Context) (string, error) {
	before := s.service.requests.Load()
	a, err := get(ctx, s.client, s.app(), "")
	if err != nil {
		return "", err
	}
	scheme, _, _ := strings.Cut(a.header.Get("WWW-Authenticate"), " ")
	return "", errors.Join(
		expectStatus(a, http.StatusUnauthorized),
		expect("WWW-Authenticate", scheme, "Bearer"),
		expect("requests at the service", s.service.requests.Load()-before, 0),
	)
}

func (s *story) everybodySignsIn(ctx context.Context) (string, error) {
	return "", s.people.enter(ctx, s.app())
}

func (s *story) everybodyPasses(ctx context.Context) (string, error) {
	for _, d := range s.people.all() {
		if err := s.passes(ctx, d); err != nil {
			return "", err
		}
	}
	return "", nil
}

// passes expects that a device is admitted and that the service hears who it is.
func (s *story) passes(ctx context.Context, d *device) error {
	a, err := get(ctx, s.client, s.app(), d.authorization())
	if err == nil {
		err = expectStatus(a, http.StatusOK)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	for name, value := range map[string]string{"Subject": d.user, "Client": d.client, "Device": d.name} {
		if line := fmt.Sprintf("\nCurfew-%s: %s\n", name, value); !strings.Contains(string(a.body), line) {
			return &mismatch{d.name + ": what the service heard", strings.TrimSpace(line), string(a.body)}
		}
	}
	return nil
}

func (s *story) preview(ctx context.Context) (string, error) {
	p, err := s.api.preview(ctx, "alice")
	if err != nil {
		return "", err
	}
	return "", errors.Join(
		expect("accounts", p.Accounts, 1),
		expect("sessions", p.Sessions, 4),
		s.consoleIsNamed(p.ExemptClients),
	)
}

func (s *story) consoleIsNamed(exempt []string) error {
	if slices.Equal(exempt, []string{s.people.aliceConsole.client}) {
		return nil
	}
	return &mismatch{"exempt_clients", s.people.aliceConsole.client, fmt.Sprint(exempt)}
}

func (s *story) signOut(ctx context.Context) (_ string, err error) {
	s.lost = []string{s.people.alicePhone.authorization(), s.people.aliceLaptop.authorization()}
	if s.alice, _, err = s.api.signOut(ctx, "alice", s.key); err != nil {
		return "", err
	}
	return "receipt " + s.alice.ID, errors.Join(inForce(s.alice), s.consoleIsNamed(s.alice.ExemptClients))
}

// inForce expects that a receipt says so.
func inForce(r node.Receipt) error {
	return errors.Join(
		expect("state of "+r.ID, r.Enforcement.State, "enforced"),
		expect("durability of "+r.ID, r.Durability, "verified"),
	)
}

func (s *story) lostIsRefused(ctx context.Context) (string, error) {
	for _, authorization := range s.lost {
		if err := s.refused(ctx, authorization, s.alice); err != nil {
			return "", err
		}
	}
	return "", nil
}

// refused expects that a session is out by a receipt, and that the service is
// not asked.
func (s *story) refused(ctx context.Context, authorization string, by node.Receipt) error {
	before, sent := s.service.requests.Load(), time.Now()
	a, err := get(ctx, s.client, s.app(), authorization)
	if err != nil {
		return err
	}
	return errors.Join(
		expectSignedOut(a, by.At.Time, sent, time.Now()),
		expect("requests at the service", s.service.requests.Load()-before, 0),
	)
}

func (s *story) refreshDoesNotHelp(ctx context.Context) (string, error) {
	if err := s.people.alicePhone.refresh(ctx); err != nil {
		return "", err
	}
	s.lost = append(s.lost, s.people.alicePhone.authorization())
	return "a refresh changes iat, not auth_time", s.refused(ctx, s.people.alicePhone.authorization(), s.alice)
}

func (s *story) othersPass(ctx context.Context) (string, error) {
	return "", errors.Join(s.passes(ctx, s.people.bobLaptop), s.passes(ctx, s.people.aliceConsole))
}

func (s *story) retry(ctx context.Context) (string, error) {
	again, replayed, err := s.api.signOut(ctx, "alice", s.key)
	if err != nil {
		return "", err
	}
	return "", errors.Join(
		expect("receipt", again.ID, s.alice.ID),
		expect("Idempotent-Replayed", replayed, true),
	)
}

func (s *story) signInAgain(ctx context.Context) (string, error) {
	times, err := s.people.alicePhone.enter(ctx, s.app())
	if err != nil {
		return "", err
	}
	note := ""
	if times > 1 {
		note = fmt.Sprintf("tries: %d; within the clock skew of the sign-out, a sign-in can't be told from an older one", times)
	}
	return note, s.passes(ctx, s.people.alicePhone)
}

func (s *story) restartGateway(ctx context.Context) (string, error) {
	if err := s.restart(ctx); err != nil {
		return "", err
	}
	return "", s.asBefore(ctx)
}

// asBefore expects that alice's lost sessions are out, her new one is in, and
// the receipt says the same.
func (s *story) asBefore(ctx context.Context) error {
	if _, err := s.lostIsRefused(ctx); err != nil {
		return err
	}
	answer, err := s.api.Receipt(ctx, s.alice.ID)
	if err != nil {
		return err
	}
	r := answer.Value
	return errors.Join(
		inForce(r), expect("instant of "+r.ID, r.At.Time, s.alice.At.Time),
		s.passes(ctx, s.people.alicePhone), s.passes(ctx, s.people.aliceConsole), s.browserPasses(ctx, s.browsers[0], 0),
	)
}

// killGateway hands the data over to a process that can be killed, and takes
// it back.
func (s *story) killGateway(ctx context.Context) (string, error) {
	if err := s.gateway.stop(); err != nil {
		return "", err
	}
	c, err := startChild(ctx, s.stage)
	if err != nil {
		return "", err
	}
	s.bob, _, err = s.api.signOut(ctx, "bob", "")
	c.kill() // at once after the answer
	if err != nil {
		return "", err
	}
	if err := s.gateway.start(ctx, s.client); err != nil {
		return "", err
	}
	return "kill -9 right after the receipt " + s.bob.ID, errors.Join(
		inForce(s.bob), s.refused(ctx, s.people.bobLaptop.authorization(), s.bob), s.asBefore(ctx))
}
