package admin

import (
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// maxPage is the largest page that is asked of the ledger.
const maxPage = 1000

// page is one page of a search, newest first.
type page[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"next_cursor" doc:"Asks for the next page; null at the end"`
}

func (a *api) searchRevocations(c *call, in *bodyOf[searchRequest]) (*replyOf[page[node.Receipt]], *Problem) {
	return search(a, c, &in.Body, func(l *ledger.Located) node.Receipt { return a.receiptOf(&l.Record, l.Ref) },
		revocation.Cut, revocation.Genesis)
}

func (a *api) searchBlocks(c *call, in *bodyOf[searchRequest]) (*replyOf[page[heldReceipt]], *Problem) {
	return search(a, c, &in.Body, a.held, revocation.Block)
}

func (a *api) searchStepUps(c *call, in *bodyOf[searchRequest]) (*replyOf[page[heldReceipt]], *Problem) {
	return search(a, c, &in.Body, a.held, revocation.StepUp)
}

func search[T any](a *api, c *call, in *searchRequest, show func(*ledger.Located) T, types ...revocation.Type) (*replyOf[page[T]], *Problem) {
	if in.Subject != "" && in.Issuer == "" {
		return nil, invalidRequest.at("/iss", "is missing: a subject is always one of an issuer")
	}
	cursors := a.cursors(c, in.Issuer, in.Subject)
	before, refused := cursors.readRef(in.Cursor)
	if refused != nil {
		return nil, refused
	}
	found, refused := a.find(c, ledger.Page{
		Issuer: in.Issuer, Subject: in.Subject, Types: types, Before: before, Limit: in.Limit + 1,
	})
	if refused != nil {
		return nil, refused
	}
	out := page[T]{Items: []T{}}
	for i := range found[:min(len(found), in.Limit)] {
		out.Items = append(out.Items, show(&found[i]))
	}
	if len(found) > in.Limit {
		next := cursors.writeRef(found[in.Limit-1].Ref)
		out.NextCursor = &next
	}
	return &replyOf[page[T]]{out}, nil
}

// find asks the ledger.
func (a *api) find(c *call, p ledger.Page) ([]ledger.Located, *Problem) {
	l, err := a.Node.Log()
	if err != nil {
		return nil, readProblem(err)
	}
	found, err := l.Search(c.request.Context(), p)
	if err != nil {
		return nil, readProblem(err)
	}
	return found, nil
}

// record finds one record by its public id. An id of another type names
// nothing here.
func (a *api) record(c *call, t revocation.Type, id string) (*ledger.Located, *Problem) {
	ref, err := revocation.ParseID(t, id)
	if err != nil {
		return nil, notFound.because("no such record")
	}
	l, err := a.Node.Log()
	if err != nil {
		return nil, readProblem(err)
	}
	r, err := l.Get(c.request.Context(), ref)
	if err != nil {
		return nil, readProblem(err)
	}
	// Types share no prefix but for a genesis, which is a revocation too.
	if r.Type != t && (t != revocation.Cut || r.Type != revocation.Genesis) {
		return nil, notFound.because("no such record")
	}
	return &ledger.Located{Ref: ref, Record: r}, nil
}
