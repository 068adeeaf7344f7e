package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"curfew.dev/curfew/admin"
	"curfew.dev/curfew/ledger"
	"curfew.dev/curfew/ledger/local"
	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// A handler needs a node that has read its ledger, a way to authenticate callers,
// and the issuers that targets may name. Then alice is signed out everywhere.
func Example() {
	dir, err := os.MkdirTemp("", "curfew-example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	n := node.New(node.Config{Name: "edge-1", Open: func() (ledger.Ledger, error) {
		return local.Open(local.Options{Dir: dir, OnEmpty: local.Start})
	}})
	if err := n.Start(); err != nil {
		panic(err)
	}
	defer n.Close()
	for n.State() != node.Ready {
		<-time.After(time.Millisecond)
	}

	api, err := admin.New(admin.Config{
		Node:         n,
		Authenticate: admin.Local, // everybody is let in: never on a network
		Issuers: []revocation.Issuer{{
			URL: "https://login.example.com", Retention: 90 * 24 * time.Hour, MaxTokenLifetime: 24 * time.Hour,
		}},
	})
	if err != nil {
		panic(err)
	}
	body := strings.NewReader(`{"target":{"iss":"https://login.example.com","sub":"alice"},"reason":"lost phone"}`)
	request := httptest.NewRequest(http.MethodPost, "/v1/revocations", body)
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	api.ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Header().Get("Location"))
	// Output: 201 /v1/revocations/rev_1.2.0
}
