package admin

import (
	"curfew.dev/curfew/internal/httpapi"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

type searchRequest struct {
	Issuer  string `json:"iss,omitempty" minLength:"1"`
	Subject string `json:"sub,omitempty" minLength:"1" doc:"Needs iss"`
	httpapi.Paging
}

func (a *api) registerSearches() {
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-revocations", Path: "/v1/revocations/search", Tag: "Revocations",
		Summary: "List revocations, newest first", Refusals: []httpapi.Kind{ledgerUnavailable, ledgerDamaged},
		Request: exampleSearch, Reply: exampleReceipts(),
	}), a.searchRevocations)
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-blocks", Path: "/v1/blocks/search", Tag: "Blocks",
		Summary: "List blocks, lifted ones too, newest first", Refusals: []httpapi.Kind{ledgerUnavailable, ledgerDamaged},
		Request: exampleSearch, Reply: exampleHeld(exampleBlocked()),
	}), a.searchBlocks)
	httpapi.Add(a.http, a.asking(httpapi.Operation{
		ID: "search-step-ups", Path: "/v1/step-ups/search", Tag: "Step-ups",
		Summary: "List step-ups, lifted ones too, newest first", Refusals: []httpapi.Kind{ledgerUnavailable, ledgerDamaged},
		Request: exampleSearch, Reply: exampleHeld(exampleSteppedUp()),
	}), a.searchStepUps)
}

var exampleSearch = searchRequest{Issuer: exampleIssuer, Subject: "alice", Paging: httpapi.Paging{Limit: 100}}

func exampleReceipts() httpapi.Page[node.Receipt] {
	cursor := "AAAAAAAAAAcAAAAAAAAEEgAAH0m2Xk1vU8yQ5b7cN3dKgA"
	return httpapi.Page[node.Receipt]{Items: []node.Receipt{exampleReceipt}, NextCursor: &cursor}
}

func exampleHeld(r node.Receipt) httpapi.Page[heldReceipt] {
	return httpapi.Page[heldReceipt]{Items: []heldReceipt{{r, "in_force"}}}
}

// maxPage is the largest page that is asked of the ledger.
const maxPage = 1000

func (a *api) searchRevocations(c *httpapi.Call, in *httpapi.Body[searchRequest]) (*httpapi.Reply[httpapi.Page[node.Receipt]], *Problem) {
	return search(a, c, &in.Body, func(l *ledger.Located) node.Receipt { return a.receiptOf(&l.Record, l.Ref) },
		revocation.Cut, revocation.Genesis)
}

func (a *api) searchBlocks(c *httpapi.Call, in *httpapi.Body[searchRequest]) (*httpapi.Reply[httpapi.Page[heldReceipt]], *Problem) {
	return search(a, c, &in.Body, a.held, revocation.Block)
}

func (a *api) searchStepUps(c *httpapi.Call, in *httpapi.Body[searchRequest]) (*httpapi.Reply[httpapi.Page[heldReceipt]], *Problem) {
	return search(a, c, &in.Body, a.held, revocation.StepUp)
}

func search[T any](a *api, c *httpapi.Call, in *searchRequest, show func(*ledger.Located) T, types ...revocation.Type) (*httpapi.Reply[httpapi.Page[T]], *Problem) {
	if in.Subject != "" && in.Issuer == "" {
		return nil, httpapi.InvalidRequest.At("/iss", "is missing: a subject is always one of an issuer")
	}
	cursors := cursors(c, in.Issuer, in.Subject)
	before, refused := readRef(cursors, in.Cursor)
	if refused != nil {
		return nil, refused
	}
	found, refused := a.find(c, ledger.Page{
		Issuer: in.Issuer, Subject: in.Subject, Types: types, Before: before, Limit: in.Limit + 1,
	})
	if refused != nil {
		return nil, refused
	}
	out := httpapi.Page[T]{Items: []T{}}
	for i := range found[:min(len(found), in.Limit)] {
		out.Items = append(out.Items, show(&found[i]))
	}
	if len(found) > in.Limit {
		next := writeRef(cursors, found[in.Limit-1].Ref)
		out.NextCursor = &next
	}
	return &httpapi.Reply[httpapi.Page[T]]{Body: out}, nil
}

// find asks the ledger. A page before a record that this node has not read yet
// would lack others that it has not read.
func (a *api) find(c *httpapi.Call, p ledger.Page) ([]ledger.Located, *Problem) {
	l, err := a.Node.Log()
	if err != nil {
		return nil, readProblem(err)
	}
	if p.Before.Position.Compare(l.Head().Position) > 0 {
		return nil, httpapi.InvalidRequest.At("/cursor", "is ahead of what this node has read of the ledger: retry, or begin again without one")
	}
	found, err := l.Search(c.Request.Context(), p)
	if err != nil {
		return nil, readProblem(err)
	}
	return found, nil
}

// record finds one record by its public id. An id of another type names
// nothing here.
func (a *api) record(c *httpapi.Call, t revocation.Type, id string) (*ledger.Located, *Problem) {
	ref, err := revocation.ParseID(t, id)
	if err != nil {
		return nil, httpapi.NotFound.Because("no such record")
	}
	l, err := a.Node.Log()
	if err != nil {
		return nil, readProblem(err)
	}
	r, err := l.Get(c.Request.Context(), ref)
	if err != nil {
		return nil, readProblem(err)
	}
	// Types share no prefix but for a genesis, which is a revocation too.
	if r.Type != t && (t != revocation.Cut || r.Type != revocation.Genesis) {
		return nil, httpapi.NotFound.Because("no such record")
	}
	return &ledger.Located{Ref: ref, Record: r}, nil
}
