package main

import (
	"net/http"
	"time"

	"curfew.dev/curfew/live"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

const issuer = "https://login.example.com"

// session is a live request of a user on a node. It lasts until it is cut.
type session struct {
	credential revocation.Credential
	node       *node.Node
	began      chan struct{} // closed when it is live
	ended      chan struct{} // closed when it is over, after over was written
	over       time.Time
}

// open starts a request of a user on a node.
func open(g *gateway, user string) *session {
	s := &session{
		credential: revocation.Credential{Issuer: issuer, Subject: user, IssuedAt: 1, AuthTime: 1},
		node:       g.Node, began: make(chan struct{}), ended: make(chan struct{}),
	}
	s.credential.Seal()
	go func() {
		_ = g.live.Serve(make(silent), &http.Request{Method: http.MethodGet, ProtoMajor: 2}, live.Terms{Credential: &s.credential, Judge: s}, s)
		close(s.ended)
	}()
	<-s.began
	return s
}

// ServeHTTP answers the request with an event stream without events.
func (s *session) ServeHTTP(_ http.ResponseWriter, r *http.Request) error {
	close(s.began)
	<-r.Context().Done()
	s.over = time.Now()
	return nil
}

// Judge refuses a user who was signed out.
func (s *session) Judge(live.Cause) *live.Refusal {
	if !refuses(s.node, &s.credential) {
		return nil
	}
	return &live.Refusal{Reason: "signed-out", Status: http.StatusUnauthorized, Write: func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}}
}

// refuses asks a node's index in the same way as a decision.
func refuses(n *node.Node, c *revocation.Credential) bool {
	var f revocation.Finding
	n.Index().Find(c, &f)
	return f.SignIn.Through > 0
}

// silent is a response writer that discards everything.
type silent http.Header

func (s silent) Header() http.Header         { return http.Header(s) }
func (s silent) Write(b []byte) (int, error) { return len(b), nil }
func (s silent) WriteHeader(int)             {}
