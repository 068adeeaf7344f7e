package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"curfew.dev/curfew/policy"
)

// clockSkew is that of the Caddyfile.
const clockSkew = time.Second

// mismatch is an expectation that did not hold.
type mismatch struct{ what, want, got string }

func (m *mismatch) Error() string {
	return fmt.Sprintf("%s\n    want %s\n    got  %s", m.what, m.want, m.got)
}

// expect compares anything that prints.
func expect[T comparable](what string, got, want T) error {
	if got == want {
		return nil
	}
	return &mismatch{what, fmt.Sprint(want), fmt.Sprint(got)}
}

// expectStatus shows the problem of an answer that is not the one wanted.
func expectStatus(a answer, want int) error {
	if a.status == want {
		return nil
	}
	got := fmt.Sprint(a.status)
	var problem struct{ Type, Detail string }
	if json.Unmarshal(a.body, &problem) == nil {
		got = strings.TrimSpace(fmt.Sprintf("%s %s %s", got, problem.Type, problem.Detail))
	}
	return &mismatch{"status", fmt.Sprint(want), got}
}

// expectAdmitted expects that the gateway did not refuse. Any answer of the
// service is right.
func expectAdmitted(a answer) error {
	var problem struct{ Type string }
	if json.Unmarshal(a.body, &problem) == nil && strings.HasPrefix(problem.Type, "urn:curfew:") {
		return expectStatus(a, http.StatusOK)
	}
	return nil
}

// expectSignedOut holds a refusal to what design promises for a session that
// was signed out at an instant: the status, the challenge to the letter, the
// problem type, and that nobody caches it. The request was sent and answered
// between two instants of this machine's clock, which is the gateway's too.
func expectSignedOut(a answer, at, sent, answered time.Time) error {
	if err := expectStatus(a, http.StatusUnauthorized); err != nil {
		return err
	}
	got, want := a.header.Get("WWW-Authenticate"), ""
	for now := sent.Unix(); now <= answered.Unix(); now++ {
		if want = challengeAt(at, now); got == want {
			break
		}
	}
	if got != want {
		return &mismatch{"WWW-Authenticate", want, got}
	}
	var problem struct{ Type string }
	if err := json.Unmarshal(a.body, &problem); err != nil {
		return fmt.Errorf("reading the refusal: %w", err)
	}
	if err := expect("problem type", problem.Type, "urn:curfew:signed-out"); err != nil {
		return err
	}
	return expect("Cache-Control", a.header.Get("Cache-Control"), "no-store")
}

// challengeAt asks for a sign-in that is later than the sign-out by any clock.
// now is in Unix seconds.
func challengeAt(at time.Time, now int64) string {
	skew := int64(clockSkew / time.Second)
	maxAge := max(0, now-at.Add(clockSkew).Unix()-skew-1)
	return fmt.Sprintf(`Bearer error="insufficient_user_authentication", error_description=%q, max_age="%d"`,
		policy.SignedOut.Title(), maxAge)
}

// maxAgeOf is what a challenge asks the provider for, if it asks for a sign-in.
func maxAgeOf(a answer) (string, bool) {
	challenge := a.header.Get("WWW-Authenticate")
	_, rest, found := strings.Cut(challenge, `max_age="`)
	maxAge, _, closed := strings.Cut(rest, `"`)
	return maxAge, a.status == http.StatusUnauthorized && found && closed
}
