package admin

import (
	"curfew.dev/curfew/revocation"
)

// Target is [revocation.Target] as callers write it: a member that is there has
// a value, or {"iss":…,"sub":""} would sign out everybody.
type Target struct {
	Issuer   string `json:"iss,omitempty" minLength:"1" doc:"Issuer, as configured" example:"https://login.example.com"`
	Subject  string `json:"sub,omitempty" minLength:"1" doc:"Subject, byte for byte; up to 255 bytes" example:"alice"`
	Client   string `json:"client_id,omitempty" minLength:"1" doc:"Client (azp or client_id)"`
	Device   string `json:"device_id,omitempty" minLength:"1" doc:"Device"`
	Session  string `json:"sid,omitempty" minLength:"1" doc:"Session"`
	TokenID  string `json:"jti,omitempty" minLength:"1" doc:"One token"`
	JKT      string `json:"jkt,omitempty" minLength:"1" doc:"Thumbprint of a DPoP key (RFC 9449)"`
	X5TS256  string `json:"x5t_s256,omitempty" minLength:"1" doc:"Thumbprint of a client certificate (RFC 8705)"`
	Tenant   string `json:"tenant,omitempty" minLength:"1" doc:"Organisation"`
	SignedBy string `json:"kid,omitempty" minLength:"1" doc:"Signing key"`
}

// Confirmation is how a caller shows that it knows what a write would hit.
type Confirmation struct {
	PreviewID   string `json:"preview_id,omitempty" minLength:"1" maxLength:"256" doc:"A preview of the same request; needed for what may hit more than one account"`
	MaxAffected *int   `json:"max_affected,omitempty" minimum:"0" doc:"Refuse if more accounts would be hit"`
}

// Patience is how long a write may wait for the other nodes. Whatever they do
// meanwhile, it is durable and in force on the node that answers.
type Patience struct {
	Wait string `json:"wait,omitempty" doc:"How long to wait until every node enforces it, up to 8s; default: 2s" example:"2s"`
}

// Motive is why, and for whom, somebody writes.
type Motive struct {
	Reason     string `json:"reason,omitempty" doc:"For the audit; up to 1024 bytes on one line" example:"lost phone"`
	OnBehalfOf string `json:"on_behalf_of,omitempty" doc:"Whom the caller acts for; up to 255 bytes on one line" example:"agent-42"`
}

// draft begins the draft of a record.
func (m Motive) draft(t revocation.Type, target Target) *revocation.Draft {
	return &revocation.Draft{
		Type: t, Target: revocation.Target(target),
		Author: revocation.Author{Reason: m.Reason, OnBehalfOf: m.OnBehalfOf},
	}
}
