package demo

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"curfew.dev/curfew/internal/devidp"
)

// The file that curl reads holds a new token before the old one ends.
func TestKeepFresh(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := urlOf(l.Addr().String())
	provider, err := devidp.New(devidp.Config{
		Issuer:              issuer,
		Clients:             []devidp.Client{{ID: "web", RedirectURIs: []string{redirectURI}, Audience: audience}},
		Users:               []devidp.User{{Subject: "alice", Password: passwords["alice"]}},
		AccessTokenLifetime: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served, kept := make(chan error, 1), make(chan error, 1)
	go func() { served <- provider.Serve(ctx, l) }()

	dir := directory{path: t.TempDir()}
	d := newDevice("alice-laptop", "alice", "web", issuer, dir, asks{})
	if err := d.signIn(ctx, nil); err != nil {
		t.Fatal(err)
	}
	first := d.authorization()
	go func() { kept <- d.keepFresh(ctx) }()
	deadline := time.Now().Add(time.Minute)
	for d.authorization() == first {
		if time.Now().After(deadline) {
			t.Fatal("the token was never refreshed")
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := <-kept; err != nil && !errors.Is(err, context.Canceled) { // it may be refreshing just then
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	file, err := os.ReadFile(dir.file("alice-laptop"))
	if want := "Authorization: " + d.authorization() + "\n"; err != nil || string(file) != want {
		t.Errorf("the file does not hold the newest token: %v", err)
	}
	if entries, _ := os.ReadDir(dir.path); len(entries) != 1 {
		t.Errorf("%d files instead of one", len(entries))
	}
}
