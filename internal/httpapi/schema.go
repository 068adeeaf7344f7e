package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"curfew.dev/curfew/internal/strictjson"
)

// schemas is an empty registry.
func (d *Document) schemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	for sent, written := range d.Written {
		r.RegisterTypeAlias(sent, written)
	}
	return r
}

// schemaName gives a type's schema its name in the document.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	name = strings.TrimSuffix(name, "Reply")
	if item, ok := strings.CutPrefix(name, "Page"); ok {
		return item + "Page"
	}
	return name
}

// tidy takes out the framework's own error schema, which is never sent, and
// corrects what Go's types can't say: no array is ever null, which strings are
// instants, and that answers may grow members while requests may not.
func (d *Document) tidy(schemas huma.Registry) {
	all := schemas.Map()
	delete(all, "ErrorModel")
	delete(all, "ErrorDetail")
	strict := make(map[string]bool)
	for _, written := range d.Written {
		strict[schemaName(written, "")] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strict[name] && !strings.HasSuffix(name, "Request") {
			all[name].AdditionalProperties = nil
		}
		for member, s := range all[name].Properties {
			if s.Type == huma.TypeArray {
				s.Nullable = false
			}
			if slices.Contains(d.Instants, member) {
				s.Format = "date-time"
			}
		}
	}
}

// Decoder returns a function that reads one JSON document as strictly as the
// body of an operation: by the schema that the API publishes for T. It is for
// operations that read their body themselves.
func Decoder[T any](a *API) func(document []byte) (T, *Problem) {
	shape, registry := strictjson.Of(reflect.TypeFor[T]()), a.cfg.Document.schemas()
	schema := registry.Schema(reflect.TypeFor[T](), true, "")
	return func(document []byte) (out T, refused *Problem) {
		if refused = wellFormed(document, shape); refused != nil {
			return out, refused
		}
		var v any
		if err := json.Unmarshal(document, &v); err != nil {
			return out, InvalidRequest.Because("the line is not JSON")
		}
		var found huma.ValidateResult
		path := huma.NewPathBuffer([]byte{}, 0)
		path.Push("body")
		huma.Validate(registry, schema, path, huma.ModeWriteToServer, v, &found)
		if len(found.Errors) > 0 {
			m := &huma.ErrorModel{Status: http.StatusUnprocessableEntity, Detail: "validation failed"}
			for _, err := range found.Errors {
				m.Add(err)
			}
			return out, ours(m)
		}
		if err := json.Unmarshal(document, &out); err != nil {
			return out, InvalidRequest.Because("the line is not what this operation takes")
		}
		return out, nil
	}
}
