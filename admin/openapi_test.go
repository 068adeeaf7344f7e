package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

const documentFile = "../docs/openapi.json"

func TestDocumentIsCurrent(t *testing.T) {
	got := newGateway(t).as("").do("GET", "/openapi.json", "").want(200).Body.Bytes()
	if *update {
		if err := os.WriteFile(documentFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi.json is out of date: run go test ./admin -run TestDocument -update")
	}
}

func TestDocumentIsComplete(t *testing.T) {
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Security    []map[string][]string
			RequestBody *struct {
				Content map[string]struct{ Schema, Example json.RawMessage }
			}
			Responses map[string]struct {
				Description string
				Content     map[string]struct{ Schema, Example, Examples json.RawMessage }
			}
		}
	}
	body := newGateway(t).do("GET", "/openapi.json", "").want(200)
	body.into(&doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	if s := body.Body.String(); strings.Contains(s, "ErrorModel") || strings.Contains(s, `"null"`) && strings.Contains(s, `"array",`) {
		t.Error("the framework's defaults show through")
	}
	operations := 0
	for path, item := range doc.Paths {
		for method, op := range item {
			operations++
			name := method + " " + path
			if op.OperationID == "" || op.Summary == "" || len(op.Security) != 1 {
				t.Errorf("%s lacks a name, a summary or its security", name)
			}
			if op.RequestBody == nil != (method != "post") {
				t.Errorf("%s: request body %v", name, op.RequestBody)
			}
			if op.RequestBody != nil {
				for ct, media := range op.RequestBody.Content {
					if media.Schema == nil || media.Example == nil {
						t.Errorf("%s: request %s lacks a schema or an example", name, ct)
					}
				}
			}
			common := []string{"401", "403", "500"}
			if op.RequestBody != nil && op.RequestBody.Content["application/json"].Schema != nil {
				common = append(common, "422") // a member of the wrong type, or out of range
			}
			for _, status := range common {
				if _, ok := op.Responses[status].Content["application/problem+json"]; !ok {
					t.Errorf("%s does not document %s", name, status)
				}
			}
			for status, r := range op.Responses {
				for ct, media := range r.Content {
					if r.Description == "" || media.Schema == nil || media.Example == nil && media.Examples == nil {
						t.Errorf("%s: response %s %s lacks a description, a schema or an example", name, status, ct)
					}
				}
				if len(r.Content) == 0 {
					t.Errorf("%s: response %s has no content", name, status)
				}
			}
		}
	}
	if operations != 16 {
		t.Errorf("%d operations", operations)
	}
}
