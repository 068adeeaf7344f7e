package admin

import (
	"time"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

type sessionsRequest struct {
	Issuer  string `json:"iss" minLength:"1" doc:"Issuer, as configured"`
	Subject string `json:"sub" minLength:"1" doc:"Subject, byte for byte"`
	Client  string `json:"client,omitempty" minLength:"1" doc:"Only this client"`
	Session string `json:"session,omitempty" minLength:"1" doc:"Only this session (sid)"`
	httpapi.Paging
}

func (a *api) registerSessions() {
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-sessions", Path: "/v1/sessions/search", Tag: "Sessions",
		Summary: "List what this node has seen of an account, last seen first",
		Details: "One item for each session, client and device; tokens without a session (sid) make one for each client and device. " +
			"A node tells what was presented to it since it started, and others may have seen more. What is seen again between " +
			"two pages moves to the front.",
		Refusals: []httpapi.Kind{unknownIssuer}, Request: exampleSessions, Reply: exampleSeen(),
	}), a.searchSessions)
}

var exampleSessions = sessionsRequest{Issuer: exampleIssuer, Subject: "alice", Paging: httpapi.Paging{Limit: 100}}

func exampleSeen() sessionsReply {
	signedIn := exampleInstant.Truncate(time.Second).Add(-time.Hour)
	return sessionsReply{Node: "edge-1/k3f9", Items: []session{{
		Session: "08a5019c-17e1-4977", Client: "web", Device: "pc-7f", SignedIn: node.NewTime(signedIn),
		FirstSeen: *node.NewTime(signedIn.Add(700 * time.Millisecond)), LastSeen: *node.NewTime(exampleInstant),
		LiveRequests: 2, State: active,
	}}}
}

// session is what was seen of one session of an account.
type session struct {
	Session      string     `json:"session,omitempty" doc:"sid"`
	Client       string     `json:"client,omitempty"`
	Device       string     `json:"device,omitempty"`
	SignedIn     *node.Time `json:"signed_in,omitempty" doc:"The newest auth_time that was seen"`
	FirstSeen    node.Time  `json:"first_seen" doc:"When a token of it was first verified here"`
	LastSeen     node.Time  `json:"last_seen" doc:"When one was last verified here; a token that is known already is not verified again"`
	LiveRequests int        `json:"live_requests" doc:"Requests and connections that are open now"`
	State        string     `json:"state" enum:"active,expired,not_ready,stale,blocked,signed_out,revoked,step_up_required" doc:"How its newest token would fare here now on a route without requirements: active, or why it is refused"`
}

// sessionsReply is one page of what the node that answers has seen.
type sessionsReply struct {
	Node       string    `json:"node" doc:"Whose sightings these are"`
	Items      []session `json:"items" nullable:"false"`
	Incomplete bool      `json:"incomplete" doc:"There are other nodes, or some were forgotten for want of room: items may be missing, and first_seen too late"`
	NextCursor *string   `json:"next_cursor" doc:"Asks for the next page; null at the end"`
}

// searchSessions answers what was seen of an account, and how it stands.
func (a *api) searchSessions(c *httpapi.Call, in *httpapi.Body[sessionsRequest]) (*httpapi.Reply[sessionsReply], *Problem) {
	asked := &in.Body
	is, err := a.issuers.Find("iss", asked.Issuer)
	if err != nil {
		return nil, draftProblem(err)
	}
	// Places are this process's own.
	cursors := cursors(c, a.Node.ID(), asked.Issuer, asked.Subject, asked.Client, asked.Session)
	before, refused := readPlace(cursors, asked.Cursor)
	if refused != nil {
		return nil, refused
	}
	found, incomplete := a.Sightings.Sessions(account.Query{
		Issuer: asked.Issuer, Subject: asked.Subject, Client: asked.Client, Session: asked.Session, Before: before, Limit: asked.Limit + 1,
	})
	out := sessionsReply{Node: a.Node.ID(), Items: []session{}, Incomplete: incomplete || a.isOneOfMany()}
	open, now := a.openOf(asked.Issuer, asked.Subject), a.Now()
	for i := range found[:min(len(found), asked.Limit)] {
		shown := sessionOf(&found[i])
		shown.LiveRequests = open[membersOf(&found[i].Credential)]
		shown.State = a.stateOf(is, &found[i].Credential, now)
		out.Items = append(out.Items, shown)
	}
	if len(found) > asked.Limit {
		next := writePlace(cursors, found[asked.Limit-1].Place)
		out.NextCursor = &next
	}
	return &httpapi.Reply[sessionsReply]{Body: out}, nil
}

func sessionOf(s *account.Session) session {
	c := &s.Credential
	out := session{
		Session: c.Session, Client: c.Client, Device: c.Device,
		FirstSeen: *node.NewTime(s.FirstSeen), LastSeen: *node.NewTime(s.LastSeen),
	}
	if c.AuthTime != 0 {
		out.SignedIn = node.NewTime(time.Unix(c.AuthTime, 0))
	}
	return out
}

// sessionMembers tell the sessions of one account apart.
type sessionMembers struct{ session, client, device string }

func membersOf(c *revocation.Credential) sessionMembers {
	return sessionMembers{c.Session, c.Client, c.Device}
}

// openOf counts the live requests of an account by session.
func (a *api) openOf(issuer, subject string) map[sessionMembers]int {
	open := make(map[sessionMembers]int)
	a.EachLiveRequest(revocation.Target{Issuer: issuer, Subject: subject}, func(c *revocation.Credential) { open[membersOf(c)]++ })
	return open
}
