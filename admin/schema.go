package admin

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"curfew.dev/curfew/revocation"
)

// schemas is an empty registry. A target has one schema, in requests and in
// receipts.
func schemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	r.RegisterTypeAlias(reflect.TypeFor[revocation.Target](), reflect.TypeFor[Target]())
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

func schemaOf[T any](doc *huma.OpenAPI) *huma.Schema {
	return doc.Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}
