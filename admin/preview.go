package admin

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"curfew.dev/curfew/account"
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/internal/seal"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

func (a *api) registerPreview() {
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "preview", Path: "/v1/revocations/preview", Tag: "Revocations",
		Summary: "Show what a revocation, block or step-up would hit",
		Details: "Takes the body of the revocation; for a block or step-up, its target alone. The preview_id confirms the same " +
			"target, mode, at and include_exempt for five minutes, whoever uses it, on every node with the same sealing_key (without one, on the node that " +
			"made it), while the same clients are exempt. The numbers are what that node has seen.",
		Refusals: append([]httpapi.Kind{invalidMode}, onTarget...),
		Request:  exampleRequest, Reply: examplePreview,
	}), a.preview)
}

var examplePreview = previewReply{
	PreviewID: "prv_9b2f6c1d0a7e48538f4f2a61c3d5e7b9", ExpiresAt: *node.NewTime(exampleInstant.Add(previewAge)),
	Target: exampleRequest.Target, Mode: "sign_in", At: *node.NewTime(exampleInstant),
	Accounts: 1, Sessions: 3, Devices: 2, LiveRequests: 2, ExemptClients: []string{"xbox-console"}, Limits: []string{},
}

// previewReply is what a write would hit.
type previewReply struct {
	PreviewID     string    `json:"preview_id" doc:"Confirms the same request until expires_at"`
	ExpiresAt     node.Time `json:"expires_at"`
	Target        Target    `json:"target"`
	Mode          string    `json:"mode" enum:"sign_in,refresh,final"`
	At            node.Time `json:"at"`
	Accounts      int       `json:"accounts" doc:"Accounts seen by the node that answers; at least 1 where the target names one"`
	Sessions      int       `json:"sessions"`
	Devices       int       `json:"devices"`
	LiveRequests  int       `json:"live_requests"`
	ExemptClients []string  `json:"exempt_clients" nullable:"false" doc:"Clients that would be passed by"`
	Limits        []string  `json:"limits" nullable:"false" doc:"What the write could not do"`
	Incomplete    bool      `json:"incomplete" doc:"The numbers are lower bounds: there are other nodes, or what was not seen for the longest was forgotten"`
}

// preview answers what a write of the same body would hit. Every caller may ask
// about every target: it is the small roles that need to know.
func (a *api) preview(c *httpapi.Call, in *httpapi.Body[revocationRequest]) (*httpapi.Reply[previewReply], *Problem) {
	asking := *c
	asking.Caller.Role = BreakGlass
	p, refused := a.planCut(&asking, &in.Body)
	if refused != nil {
		return nil, refused
	}
	reach, now := a.reach(p), a.Now()
	out := previewReply{
		ExpiresAt: *node.NewTime(now.Add(previewAge)),
		Target:    in.Body.Target, Mode: p.record.Mode.String(), At: *node.NewTime(time.UnixMilli(p.record.At)),
		Accounts: reach.Accounts, Sessions: reach.Sessions, Devices: reach.Devices, Incomplete: reach.Incomplete || a.isOneOfMany(),
		LiveRequests:  a.LiveRequests(p.record.Target),
		ExemptClients: append([]string{}, p.record.ExemptClients...), Limits: append([]string{}, p.record.Limits...),
	}
	var err error
	if out.PreviewID, err = a.sealPreview(shown{reach.Accounts, now.Add(previewAge)}, p.digest); err != nil {
		a.Log.Error("a preview can't be sealed", "request_id", c.ID, "error", err)
		return nil, httpapi.Internal.Because("the preview could not be sealed; the gateway's log says more")
	}
	return &httpapi.Reply[previewReply]{Body: out}, nil
}

// previewAge is how long a preview confirms a write.
const previewAge = 5 * time.Minute

// shown is what a preview has to say when it confirms a write. It travels in the
// preview's id, sealed for the digest of the request that it was made for.
type shown struct {
	accounts int
	expires  time.Time
}

const (
	previewPrefix  = "prv_"
	previewPurpose = "admin preview"
	shownSize      = 8 + 8
)

// sealingKeys are those of the configuration, if it has any now.
func (a *api) sealingKeys() seal.Keys {
	if a.SealingKeys != nil {
		if keys := a.SealingKeys(); len(keys) > 0 {
			return keys
		}
	}
	return a.Memory.sealingKeys()
}

func (a *api) sealPreview(s shown, digest [32]byte) (id string, err error) {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, shownSize), uint64(s.accounts))
	b = binary.BigEndian.AppendUint64(b, uint64(s.expires.UnixMilli()))
	sealed, err := a.sealingKeys().Seal(previewPurpose, b, digest[:])
	return previewPrefix + sealed, err
}

func (a *api) openPreview(id string, digest [32]byte) (shown, error) {
	sealed, ok := strings.CutPrefix(id, previewPrefix)
	if !ok {
		return shown{}, seal.ErrSealed
	}
	b, err := a.sealingKeys().Open(previewPurpose, sealed, digest[:])
	if err != nil || len(b) != shownSize {
		return shown{}, seal.ErrSealed
	}
	return shown{int(binary.BigEndian.Uint64(b)), time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:])))}, nil
}

// isOneOfMany reports whether other nodes have seen what this one has not.
func (a *api) isOneOfMany() bool { return a.ExpectNodes > 1 || len(a.Node.Nodes()) > 1 }

// reach counts what was seen of a target. An account that is named is one, seen
// or not.
func (a *api) reach(p *plan) account.Reach {
	reach := a.Sightings.Reach(p.record.Target, p.record.ExemptClients)
	if p.record.Target.Subject != "" {
		reach.Accounts = max(1, reach.Accounts)
	}
	return reach
}

// confirmed refuses a write that its caller has not shown to understand: what
// may hit more than one account needs a preview, and no write hits more
// accounts than it may.
func (a *api) confirmed(p *plan) *Problem {
	if p.PreviewID == "" && roleFor(p.record.Target) == BreakGlass {
		return previewRequired.At("/preview_id", "this may hit more than one account: POST the same body to /v1/revocations/preview first")
	}
	if p.PreviewID == "" && p.MaxAffected == nil {
		return nil
	}
	accounts := 0
	if p.PreviewID != "" {
		was, err := a.openPreview(p.PreviewID, p.digest)
		if err != nil || a.Now().After(was.expires) {
			return previewRequired.At("/preview_id", "no preview of this very request was made under this id in the last %s, "+
				"here or where the same sealing key is", previewAge)
		}
		accounts = was.accounts
	} else {
		accounts = a.reach(p).Accounts
	}
	if p.MaxAffected != nil && accounts > *p.MaxAffected {
		return previewExceeded.At("/max_affected", "%d accounts would be hit, %d may be", accounts, *p.MaxAffected)
	}
	return nil
}

// subjectDigest is over what a preview is made for: target, mode, instant and
// the clients that are passed by. These are configured: where another
// configuration, or node, passes others by, the preview showed something else.
func subjectDigest(t revocation.Target, m revocation.Mode, at string, exempt []string) [32]byte {
	parts := []string{m.String(), at, strconv.Itoa(len(exempt))}
	parts = append(parts, exempt...)
	for _, member := range t.Members() {
		parts = append(parts, member.Name, member.Value)
	}
	return digestOf(parts...)
}

// digestOf is over the length-prefixed parts, so that no two lists share one.
func digestOf(parts ...string) [32]byte {
	var b []byte
	for _, part := range parts {
		b = append(strconv.AppendInt(b, int64(len(part)), 10), ':')
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}
