package nats

import (
	"context"
	"errors"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"
)

// refusals end requests that will get no answer. A server that refuses a subject
// does not answer the request; it sends an error to the connection instead.
type refusals struct {
	mu      sync.Mutex
	waiting map[*refusable]struct{}
}

type refusable struct {
	subject string
	refuse  context.CancelCauseFunc
}

// ask runs a function that publishes to a subject. The error wraps
// [nats.ErrPermissionViolation] as soon as a server refuses the subject.
func (r *refusals) ask(ctx context.Context, subject string, do func(context.Context) error) error {
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	waits := &refusable{subject, refuse}
	r.mu.Lock()
	if r.waiting == nil {
		r.waiting = make(map[*refusable]struct{})
	}
	r.waiting[waits] = struct{}{}
	r.mu.Unlock()
	err := do(ctx)
	r.mu.Lock()
	delete(r.waiting, waits)
	r.mu.Unlock()
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, nats.ErrPermissionViolation) {
		return cause
	}
	return err
}

// refusedSubject matches the subject in a server's refusal to publish.
var refusedSubject = regexp.MustCompile(`Permissions Violation for Publish to "([^"]+)"`)

// heard handles a server's refusal and returns the refused subject.
func (r *refusals) heard(err error) (subject string) {
	found := refusedSubject.FindStringSubmatch(err.Error())
	if found == nil || !errors.Is(err, nats.ErrPermissionViolation) {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for waits := range r.waiting {
		if waits.subject == found[1] {
			waits.refuse(err)
		}
	}
	return found[1]
}
