package devidp_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"

	"curfew.dev/curfew/internal/devidp"
)

// A provider on a free port, a sign-in with a one-time code, a refresh.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	issuer := "http://" + l.Addr().String()
	provider, err := devidp.New(devidp.Config{
		Issuer: issuer,
		Clients: []devidp.Client{{
			ID: "web", RedirectURIs: []string{"http://app.localhost/callback"}, Audience: "https://api.example.com",
		}},
		Users: []devidp.User{{Subject: "alice", Password: "wonder"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- provider.Serve(ctx, l) }()

	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, Transport: &http.Transport{}}
	tokens, err := devidp.SignIn(ctx, browser, devidp.SignInRequest{
		Issuer: issuer, ClientID: "web", RedirectURI: "http://app.localhost/callback", Scope: []string{"files:read"},
		User: "alice", Password: "wonder", Code: devidp.DefaultCode, Device: "laptop",
	})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err = devidp.Refresh(ctx, browser, issuer, "web", tokens.RefreshToken)
	fmt.Println(tokens.TokenType, tokens.ExpiresIn, tokens.Scope, err)

	browser.CloseIdleConnections()
	stop()
	fmt.Println(<-served)
	// Output:
	// Bearer 300 openid files:read <nil>
	// <nil>
}
