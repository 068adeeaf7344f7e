package signals

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"curfew.dev/curfew/revocation"
	"curfew.dev/curfew/token"
)

// SourceBackchannelLogout is the source of the cuts that logout tokens ask for.
const SourceBackchannelLogout = "backchannel_logout"

// Results are what a signal can come to, for metrics.
const (
	ResultAccepted = "accepted" // durable, and in force here
	ResultRepeated = "repeated" // it came before
	ResultRefused  = "refused"  // it is not valid, or its sender is not known
	ResultFailed   = "failed"   // it could not be judged yet, or not be made durable
)

// Unknown stands for the receiver where a signal names none.
const Unknown = "unknown"

// Results lists them.
func Results() []string {
	return []string{ResultAccepted, ResultRepeated, ResultRefused, ResultFailed}
}

// Receiver is the client of an issuer that logout tokens are for.
type Receiver struct {
	// Name is that of the sign-in, for metrics and the audit.
	Name string
	// Issuer is the iss, and Client the client id.
	Issuer, Client string
}

// BackchannelLogout answers logout tokens: 200 when the session or the person that
// a token names is signed out, durably; 400 for what is not a valid logout token for
// one of the receivers; 503 when it can't be judged yet or not be made durable, so
// that the provider tries again. All fields but Log and Observe are required.
type BackchannelLogout struct {
	Receivers []Receiver
	// Open reads a token and checks its signature: [token.Verifier.Open].
	Open func(ctx context.Context, raw string, now time.Time) (*token.Opened, error)
	// Submit makes a cut durable and has this node enforce it, or returns an error.
	Submit func(context.Context, *revocation.Draft) error
	// Now is the clock.
	Now func() time.Time
	Log *slog.Logger
	// Observe counts: receiver is the name of one, or Unknown.
	Observe func(receiver, result string)

	seen seen
}

// maxForm bounds the form, in bytes. A token has at most 16 KiB.
const maxForm = 64 << 10

// ServeHTTP answers a POST.
func (b *BackchannelLogout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	raw, err := logoutToken(w, r)
	if err != nil {
		b.refuse(w, Unknown, err)
		return
	}
	now := b.Now()
	logout, to, err := b.judge(r.Context(), raw, now)
	switch problem, ok := errors.AsType[*token.Error](err); {
	case ok && problem.Kind == token.NotReady:
		b.log(slog.LevelDebug, "a logout token can't be judged yet", problem.Issuer, err) // strangers can't have the log grow
		b.fail(w, to)
		return
	case err != nil:
		b.refuse(w, to, err)
		return
	}
	id := seenID(logout.Issuer, logout.TokenID)
	if b.seen.has(id, now) {
		b.observe(to, ResultRepeated)
		w.WriteHeader(http.StatusOK)
		return
	}
	if err := b.Submit(r.Context(), cutOf(&logout, to)); err != nil {
		b.log(slog.LevelError, "a logout at the provider could not be made durable; the provider was told to try again", logout.Issuer, err)
		b.fail(w, to)
		return
	}
	b.seen.add(id, logout.Deadline, now)
	b.observe(to, ResultAccepted)
	w.WriteHeader(http.StatusOK)
}

// judge returns what a token says, and the name of its receiver.
func (b *BackchannelLogout) judge(ctx context.Context, raw string, now time.Time) (logout token.Logout, to string, err error) {
	opened, err := b.Open(ctx, raw, now)
	if err != nil {
		return logout, Unknown, err
	}
	var clients []string
	for _, receiver := range b.Receivers {
		if receiver.Issuer == opened.Issuer() {
			clients = append(clients, receiver.Client)
		}
	}
	if logout, err = opened.LogoutToken(clients, now); err != nil {
		return logout, Unknown, err
	}
	for _, receiver := range b.Receivers {
		if receiver.Issuer == logout.Issuer && receiver.Client == logout.Client {
			to = receiver.Name
			break
		}
	}
	return logout, to, nil
}

// cutOf is the cut that a logout asks for. A sid is one session, and a token that
// has both sid and sub means no more than it (section 2.7). The instant is that of
// the logout: a token that comes late, or again at another node, does not hit who
// has signed in since.
func cutOf(l *token.Logout, to string) *revocation.Draft {
	d := &revocation.Draft{
		Author: revocation.Author{Source: SourceBackchannelLogout, Actor: to, Reason: "signed out at the provider"},
		Type:   revocation.Cut, At: time.Unix(l.IssuedAt, 0),
	}
	d.Target = revocation.Target{Issuer: l.Issuer, Session: l.Session}
	if l.Session == "" {
		d.Target = revocation.Target{Issuer: l.Issuer, Subject: l.Subject}
	}
	return d
}

// logoutToken returns the one token of a form. Other parameters are ignored, and so
// is the query.
func logoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", errors.New("the Content-Type is not application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return "", errors.New("the form can't be read, or is too large")
	}
	switch values := r.PostForm["logout_token"]; {
	case len(values) == 0 || values[0] == "":
		return "", errors.New("the form has no logout_token")
	case len(values) > 1:
		return "", errors.New("the form has more than one logout_token")
	default:
		return values[0], nil
	}
}

// refuse answers a token that will never be accepted. No error that gets here holds
// a byte of it.
func (b *BackchannelLogout) refuse(w http.ResponseWriter, to string, err error) {
	b.observe(to, ResultRefused)
	detail, issuer := err.Error(), ""
	if problem, ok := errors.AsType[*token.Error](err); ok {
		detail, issuer = problem.Detail, problem.Issuer
	}
	b.log(slog.LevelDebug, "a logout token was refused", issuer, err) // strangers can't have the log grow
	answer(w, http.StatusBadRequest, "invalid_request", detail)
}

// fail answers a token that the provider should send again.
func (b *BackchannelLogout) fail(w http.ResponseWriter, to string) {
	b.observe(to, ResultFailed)
	w.Header().Set("Retry-After", "1")
	answer(w, http.StatusServiceUnavailable, "temporarily_unavailable", "it can't be kept now: send it again")
}

func answer(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

func (b *BackchannelLogout) observe(to, result string) {
	if b.Observe != nil {
		b.Observe(to, result)
	}
}

func (b *BackchannelLogout) log(level slog.Level, message, issuer string, err error) {
	if b.Log == nil {
		return
	}
	attrs := []slog.Attr{slog.Any("error", err)}
	if issuer != "" {
		attrs = append(attrs, slog.String("issuer", issuer))
	}
	b.Log.LogAttrs(context.Background(), level, message, attrs...)
}
