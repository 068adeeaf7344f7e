package httpapi_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"curfew.dev/curfew/internal/httpapi"
)

type greeting struct {
	Body struct {
		Name string `json:"name" doc:"Whom to greet"`
	}
}

type greeted struct {
	Body struct {
		Text string `json:"text"`
	}
}

// An operation is a function with its description. The gate before it answers
// every request that the operation does not take.
func Example() {
	api := httpapi.New(httpapi.Config{
		Name:     "greetings",
		Document: httpapi.Document{Title: "Greetings", Version: "1", Tags: []httpapi.Tag{{Name: "Greetings"}}},
		Authenticate: func(r *http.Request) (httpapi.Caller, error) {
			if r.Header.Get("Authorization") != "Bearer a-secret-of-the-example" {
				return httpapi.Caller{}, fmt.Errorf("no caller has this secret")
			}
			return httpapi.Caller{Name: "helpdesk", Role: httpapi.Read, Source: "admin"}, nil
		},
		Now: time.Now, Observe: func(string, int, time.Duration) {}, Log: slog.New(slog.DiscardHandler),
	})
	httpapi.Add(api, httpapi.Operation{
		ID: "greet", Method: http.MethodPost, Path: "/v1/greetings", Tag: "Greetings", Summary: "Greet somebody",
		Role: httpapi.Read, Status: http.StatusOK, Request: map[string]string{"name": "Alice"}, Reply: map[string]string{"text": "Hello, Alice"},
	}, func(_ *httpapi.Call, in *greeting) (*greeted, *httpapi.Problem) {
		out := new(greeted)
		out.Body.Text = "Hello, " + in.Body.Name
		return out, nil
	})

	for _, body := range []string{`{"name":"Alice"}`, `{"name":"Alice","name":"Mallory"}`} {
		r := httptest.NewRequest(http.MethodPost, "/v1/greetings", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer a-secret-of-the-example")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		var answer struct{ Text, Type, Detail string }
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		fmt.Println(w.Code, cmp.Or(answer.Text, answer.Type+" "+answer.Detail))
	}
	// Output:
	// 200 Hello, Alice
	// 400 urn:curfew:invalid-request /name: appears twice
}
