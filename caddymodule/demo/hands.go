package demo

import (
	"context"
	"fmt"
	"net/http"
)

// hands do for the reader what curl can't: sign in on a device, which takes a
// browser, and restart the gateway.
func hands(s *stage) http.Handler {
	mux := http.NewServeMux()
	for _, d := range s.people.all() {
		mux.Handle("POST /"+d.name+"/sign-in", deed(func(ctx context.Context) (string, error) {
			times, err := d.enter(ctx, s.app())
			return fmt.Sprintf("%s is signed in again; tries: %d", d.name, times), err
		}))
		mux.Handle("POST /"+d.name+"/refresh", deed(func(ctx context.Context) (string, error) {
			return d.name + " has a new token of the same session", d.refresh(ctx)
		}))
	}
	mux.Handle("POST /restart", deed(func(ctx context.Context) (string, error) {
		// Who hangs up must not leave the gateway half started.
		return "the gateway was restarted on the same data", s.restart(context.WithoutCancel(ctx))
	}))
	// No page that the reader has open elsewhere may do any of it.
	return http.NewCrossOriginProtection().Handler(mux)
}

// deed does something and answers in a sentence.
func deed(do func(context.Context) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := do(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, done)
	})
}
