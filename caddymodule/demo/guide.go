package demo

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/template"
)

//go:embed guide.txt
var guideText string

// guide is what the reader gets to try: plain ASCII, each command on one line.
var guide = template.Must(template.New("guide").Parse(guideText))

// view is what the guide says of this demo.
type view struct {
	App, API, Health, Issuer, Service, Devices, Admin string
	Dir, Caddy, Body                                  string
	Scope, ACR, Tenant                                string
	Own                                               bool // the service is the reader's
	Passwords                                         map[string]string
}

// present signs everybody in, prints the guide and keeps the demo going until
// the context ends.
func present(ctx context.Context, w io.Writer, s *stage) error {
	if err := s.people.enter(ctx, s.app()); err != nil {
		return err
	}
	devices := s.people.all()
	failed := make(chan error, len(devices))
	for _, d := range devices {
		s.running.Go(func() {
			if err := d.keepFresh(ctx); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	s.serve(ctx, s.at.devices, controls(s))
	if err := guide.Execute(w, viewOf(s)); err != nil {
		return fmt.Errorf("printing the guide: %w", err)
	}
	select {
	case <-ctx.Done():
		_, err := fmt.Fprintln(w, "\nEnded.")
		return err
	case err := <-failed:
		return err
	}
}

func viewOf(s *stage) view {
	return view{
		App: s.app(), API: s.api.URL, Health: urlOf(s.at.health), Issuer: s.api.issuer,
		Service: s.upstream(), Own: s.own != "", Scope: strings.Join(s.people.alicePhone.asks.scope, " "), ACR: s.people.alicePhone.asks.acr, Tenant: s.tenant, Devices: urlOf(s.at.devices.Addr().String()),
		Admin: s.at.admin, Dir: quote(s.dir.path), Caddy: quote(os.Args[0]), Body: quote(s.api.body("alice")),
		Passwords: passwords,
	}
}

// quote makes one word for a POSIX shell.
func quote(word string) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+:", r)
	}
	if word != "" && !strings.ContainsFunc(word, special) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// controls do for the reader what curl can't: sign in on a device, which takes a
// browser, and restart the gateway.
func controls(s *stage) http.Handler {
	mux := http.NewServeMux()
	for _, d := range s.people.all() {
		mux.Handle("POST /"+d.name+"/sign-in", control(func(ctx context.Context) (string, error) {
			times, err := d.enter(ctx, s.app())
			return fmt.Sprintf("%s is signed in again; tries: %d", d.name, times), err
		}))
		mux.Handle("POST /"+d.name+"/refresh", control(func(ctx context.Context) (string, error) {
			return d.name + " has a new token of the same session", d.refresh(ctx)
		}))
	}
	mux.Handle("POST /restart", control(func(ctx context.Context) (string, error) {
		// If the client disconnects, finish starting the gateway.
		return "the gateway was restarted on the same data", s.restart(context.WithoutCancel(ctx))
	}))
	// No page that the reader has open elsewhere may do any of it.
	return http.NewCrossOriginProtection().Handler(mux)
}

// control does something and answers in a sentence.
func control(do func(context.Context) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := do(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, done)
	})
}
