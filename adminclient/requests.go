package adminclient

import (
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/policy"
	"curfew.dev/curfew/revocation"
)

// The types of answers that other packages define.
type (
	Target      = revocation.Target
	Receipt     = node.Receipt
	Enforcement = node.Enforcement
	NodeReceipt = node.NodeReceipt
	NodeStatus  = node.Status
	Time        = node.Time
)

// Motive says why something is asked, and for whom. It is kept in the audit.
type Motive struct {
	Reason     string `json:"reason,omitempty"`
	OnBehalfOf string `json:"on_behalf_of,omitempty"`
}

// Confirmation is what the gateway wants with a target of many accounts: the id
// of a preview, and at most how many accounts may be hit.
type Confirmation struct {
	PreviewID   string `json:"preview_id,omitempty"`
	MaxAffected *int   `json:"max_affected,omitempty"`
}

// Revocation signs a target out.
type Revocation struct {
	Target        revocation.Target `json:"target"`
	Mode          string            `json:"mode,omitempty"` // sign_in, refresh or final; default by target
	At            string            `json:"at,omitempty"`   // RFC 3339; default now
	IncludeExempt bool              `json:"include_exempt,omitempty"`
	Motive
	Confirmation
	Wait string `json:"wait,omitempty"` // for the other nodes, such as "2s"
}

// Preview is what a revocation would hit.
type Preview struct {
	ID            string             `json:"preview_id"`
	ExpiresAt     *node.Time         `json:"expires_at"`
	Target        *revocation.Target `json:"target"`
	Mode          string             `json:"mode"`
	At            *node.Time         `json:"at"`
	Accounts      int                `json:"accounts"`
	Sessions      int                `json:"sessions"`
	Devices       int                `json:"devices"`
	LiveRequests  int                `json:"live_requests"`
	ExemptClients []string           `json:"exempt_clients"`
	Limits        []string           `json:"limits"`
	Incomplete    bool               `json:"incomplete"` // the numbers are lower bounds
}

// Block refuses a target until it is lifted.
type Block struct {
	Target revocation.Target `json:"target"`
	Motive
	Confirmation
	Wait string `json:"wait,omitempty"`
}

// StepUp demands of a target a stronger or newer authentication.
type StepUp struct {
	Target revocation.Target `json:"target"`
	ACR    []string          `json:"acr,omitempty"`
	AMR    []string          `json:"amr,omitempty"`
	Routes string            `json:"routes,omitempty"` // all or sensitive; default all
	Motive
	Confirmation
	Wait string `json:"wait,omitempty"`
}

// Held is the receipt of a block or step-up and whether it is in_force or
// lifted.
type Held struct {
	node.Receipt
	State string `json:"state"`
}

// Unlink names a device of an account.
type Unlink struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Device  string `json:"device_id"`
	Reason  string `json:"reason,omitempty"`
}

// Search asks for records, newest first: all, those of an issuer, or those of an
// account.
type Search struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
	Limit   int    `json:"limit,omitempty"`  // of a page; default 100
	Cursor  string `json:"cursor,omitempty"` // NextCursor of the page before
}

// Page is one page of a search.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"` // empty at the end
}

// SessionSearch asks for the sessions of an account, last seen first.
type SessionSearch struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Client  string `json:"client,omitempty"`
	Session string `json:"session,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	Cursor  string `json:"cursor,omitempty"`
}

// Sessions is one page of the sessions that a node has seen of an account.
type Sessions struct {
	Node       string    `json:"node"`
	Items      []Session `json:"items"`
	Incomplete bool      `json:"incomplete"` // some may be missing
	NextCursor string    `json:"next_cursor"`
}

// Session is a session as a node has seen it.
type Session struct {
	Session      string     `json:"session"`
	Client       string     `json:"client"`
	Device       string     `json:"device"`
	SignedIn     *node.Time `json:"signed_in"`
	FirstSeen    *node.Time `json:"first_seen"`
	LastSeen     *node.Time `json:"last_seen"`
	LiveRequests int        `json:"live_requests"`
	State        string     `json:"state"`
}

// Question asks how a token is decided on a route with policies.
type Question struct {
	Token    string   `json:"token"`
	Policies []string `json:"policies,omitempty"`
}

// Explanation is a decision with every rule that was tried.
type Explanation struct {
	Decision string         `json:"decision"`
	Reason   string         `json:"reason"`
	Rules    []policy.Tried `json:"rules"`
}

// Nodes lists the nodes, the one that answers first.
type Nodes struct {
	Items    []node.Status `json:"items"`
	Expected int           `json:"expected"` // 0: not configured
}
