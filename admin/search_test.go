package admin

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

type found struct {
	Items      []node.Receipt
	NextCursor *string `json:"next_cursor"`
}

func TestSearch(t *testing.T) {
	g := newGateway(t)
	for i := range 7 {
		g.post("/v1/revocations", onTargetOf("iss", issuer, "sub", fmt.Sprint("user", i%2))).want(201)
	}
	g.post("/v1/blocks", alice()).want(201)
	var ids []string
	for cursor := ""; ; {
		body := object{"iss": issuer, "sub": "user0", "limit": 3}
		if cursor != "" {
			body["cursor"] = cursor
		}
		var f found
		g.as(readToken).post("/v1/revocations/search", text(body)).want(200).into(&f)
		for _, item := range f.Items {
			if item.Target.Subject != "user0" {
				t.Errorf("found %s", item.Target.Subject)
			}
			ids = append(ids, item.ID)
		}
		if f.NextCursor == nil {
			break
		}
		if len(f.Items) != 3 {
			t.Fatalf("%d items and a cursor", len(f.Items))
		}
		cursor = *f.NextCursor
	}
	if want := "[rev_1.8.0 rev_1.6.0 rev_1.4.0 rev_1.2.0]"; fmt.Sprint(ids) != want {
		t.Errorf("found %v, want %s", ids, want)
	}
	var all found
	g.post("/v1/revocations/search", `{}`).want(200).into(&all)
	if len(all.Items) != 8 || all.NextCursor != nil || all.Items[7].ID != "rev_1.1.0" {
		t.Errorf("%d items, the last %+v", len(all.Items), all.Items[len(all.Items)-1])
	}
	if got := g.post("/v1/revocations/search", text(object{"iss": issuer, "sub": "nobody"})).want(200).Body.String(); got != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("found %s", got)
	}
	for _, body := range []object{{"sub": "a"}, {"limit": 0}, {"limit": 1001}, {"limit": -1}, {"limit": 1.5}, {"iss": ""}, {"limit": "3"}} {
		if got := g.post("/v1/revocations/search", text(body)); got.Code != 400 && got.Code != 422 {
			t.Errorf("%v: %d", body, got.Code)
		}
	}
}

// A page may be asked of another node than the page before, and of one that has
// started since.
func TestTheNextPageOfASearchComesFromAnyNode(t *testing.T) {
	g := newGateway(t)
	for range 3 {
		g.post("/v1/revocations", alice()).want(201)
	}
	h, err := New(Config{Node: g.node, Authenticate: Local, Issuers: []revocation.Issuer{{URL: issuer}}})
	if err != nil {
		t.Fatal(err)
	}
	other := *g // a process of its own, with the same records
	other.Handler = h
	var first, second found
	g.post("/v1/revocations/search", text(object{"limit": 2})).want(200).into(&first)
	other.post("/v1/revocations/search", text(object{"limit": 2, "cursor": *first.NextCursor})).want(200).into(&second)
	if len(second.Items) != 2 || second.Items[0].ID != "rev_1.2.0" || second.Items[1].ID != "rev_1.1.0" {
		t.Errorf("the second page is %+v", second.Items)
	}
}

// A node that has not read all that the page before showed would leave out what is
// between.
func TestACursorAheadOfTheLedgerIsRefused(t *testing.T) {
	ahead, behind := newGateway(t), newGateway(t)
	for range 3 {
		ahead.post("/v1/revocations", alice()).want(201)
	}
	var f found
	ahead.post("/v1/revocations/search", text(object{"limit": 1})).want(200).into(&f)
	body := text(object{"limit": 1, "cursor": *f.NextCursor})
	if p := behind.post("/v1/revocations/search", body).want(400, "invalid-request").problem(); !strings.Contains(p.Detail, "retry") {
		t.Errorf("%+v", p)
	}
}

// T7: a cursor is for the search that it was made for.
func TestT7Cursors(t *testing.T) {
	g := newGateway(t)
	for range 3 {
		g.post("/v1/revocations", alice()).want(201)
		g.post("/v1/blocks", alice()).want(201)
	}
	ask := func(path string, body object) *reply { return g.post(path, text(body)) }
	var f found
	ask("/v1/revocations/search", object{"limit": 1}).want(200).into(&f)
	good := *f.NextCursor
	ask("/v1/revocations/search", object{"limit": 2, "cursor": good}).want(200)
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	forged := []string{good + "A", good[:len(good)-1], strings.ToUpper(good), "AAAA", "' OR 1=1 --", strings.Repeat("A", len(good)), "\u0000"}
	for i := range raw {
		b := append([]byte{}, raw...)
		b[i] ^= 1
		forged = append(forged, base64.RawURLEncoding.EncodeToString(b))
	}
	for _, cursor := range forged {
		ask("/v1/revocations/search", object{"cursor": cursor}).want(400, "invalid-request")
	}
	ask("/v1/revocations/search", object{"cursor": strings.Repeat("A", 129)}).want(422, "invalid-request")
	ask("/v1/revocations/search", object{"cursor": good, "iss": issuer}).want(400, "invalid-request")
	ask("/v1/blocks/search", object{"cursor": good}).want(400, "invalid-request")
	other := newGateway(t)
	other.post("/v1/revocations/search", text(object{"cursor": good})).want(400, "invalid-request")
}
