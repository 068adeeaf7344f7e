package admin

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"

	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/revocation"
)

// Version is the version of the API.
const Version = "1.0.0"

// register lists the operations of the API.
func (a *api) register() error {
	cfg := httpapi.Config{
		Name: "admin", Document: document(), Kinds: kinds(), Prefix: a.Prefix, Now: a.Now, Observe: a.Observe, Log: a.Log,
		Authenticate: func(r *http.Request) (Caller, error) {
			c, err := a.Authenticate(r)
			return c, refusing(err)
		},
	}
	if a.Again != nil {
		cfg.Again = func(r *http.Request, was Caller) (Role, error) {
			role, err := a.Again(r, was)
			return role, refusing(err)
		}
	}
	a.http = httpapi.New(cfg)
	a.registerRevocations()
	a.registerPreview()
	a.registerImport()
	a.registerDevices()
	a.registerHolds()
	a.registerSearches()
	a.registerSessions()
	a.registerAnswers()
	a.registerEvents()
	return a.http.Publish()
}

func document() httpapi.Document {
	return httpapi.Document{
		Title: "Curfew admin API", Version: Version,
		Description: "Sign out everywhere, at the edge. A 2xx to a write is sent once the record is durable and in force on " +
			"the node that answers; the receipt says where else. Identifiers travel in bodies, never in URLs. Unknown, " +
			"duplicate and case-variant members are refused.",
		Security: "A configured token; its role is read, write or break_glass. Not needed on Caddy's own admin endpoint.",
		Tags: []httpapi.Tag{
			{Name: "Revocations", Description: "Cuts: refuse what is from before an instant"},
			{Name: "Devices", Description: "Devices of an account"},
			{Name: "Sessions", Description: "What a node has seen of an account"},
			{Name: "Blocks", Description: "Refuse until lifted"},
			{Name: "Step-ups", Description: "Demand a new authentication"},
			{Name: "Gateway", Description: "What the gateway knows"},
		},
		Written:  map[reflect.Type]reflect.Type{reflect.TypeFor[revocation.Target](): reflect.TypeFor[Target]()},
		Instants: []string{"at", "enforced_at", "enforced_by", "expires_at", "last_heard", "signed_in", "first_seen", "last_seen"},
	}
}

// recordID is what every id of a record looks like, such as rev_7.1042.0. The
// operation says which of them name a record.
var recordID = regexp.MustCompile(`^[a-z]{3}_[0-9.]{1,64}$`)

// asking completes an operation that costs something to answer.
func (a *api) asking(op httpapi.Operation) httpapi.Operation {
	op.Method, op.Role, op.Status, op.Bound = http.MethodPost, Read, http.StatusOK, a.boundAsking
	return op
}

// writing completes an operation that writes one record.
func (a *api) writing(op httpapi.Operation) httpapi.Operation {
	op.Bound = a.boundWrites
	return writingMany(op)
}

// writingMany completes an operation that bounds itself what it writes.
func writingMany(op httpapi.Operation) httpapi.Operation {
	op.Role, op.Keyed = Write, true
	op.Refusals = slices.Concat(op.Refusals, []httpapi.Kind{
		httpapi.TooMany, inProgress, keyReused, ledgerUnavailable, outcomeUnknown, ledgerDamaged, noMemory,
	})
	return op
}

// onTarget are the refusals of operations that take a target.
var onTarget = []httpapi.Kind{invalidTarget, unknownIssuer, unenforceable}
