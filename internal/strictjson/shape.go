package strictjson

import (
	"maps"
	"reflect"
	"strings"
)

// Shape says which members a value may have. A nil Shape allows anything that
// is well formed. Whether a value has the right type is found out by the decoder.
type Shape struct {
	// Members are the known names of an object, each with the shape of its
	// value; nil: the names are free.
	Members map[string]*Shape
	// Open objects may have members beside the known ones, but none whose name
	// differs from a known one by case only. In an object that is not open, null
	// is refused too: there a member that has no value is left out.
	Open bool
	// Items is the shape of each item of an array.
	Items *Shape
}

// Of is the closed shape of what encoding/json would decode into a t: structs
// by their json tags, embedded ones flattened, slices by their items,
// everything else free. Recursive types are not supported.
func Of(t reflect.Type) *Shape {
	switch t.Kind() {
	case reflect.Pointer:
		return Of(t.Elem())
	case reflect.Slice, reflect.Array:
		if items := Of(t.Elem()); items != nil {
			return &Shape{Items: items}
		}
	case reflect.Struct:
		s := &Shape{Members: make(map[string]*Shape)}
		for f := range t.Fields() {
			switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
			case f.Anonymous && name == "":
				maps.Copy(s.Members, Of(f.Type).Members)
			case f.IsExported() && name != "" && name != "-":
				s.Members[name] = Of(f.Type)
			}
		}
		return s
	}
	return nil
}

func (s *Shape) items() *Shape {
	if s == nil {
		return nil
	}
	return s.Items
}

// member gives the shape of the value of a member, or the objection to its name.
func (s *Shape) member(name string) (value *Shape, objection string) {
	if s == nil || s.Members == nil {
		return nil, ""
	}
	if value, known := s.Members[name]; known {
		return value, ""
	}
	for known := range s.Members {
		if strings.EqualFold(known, name) {
			return nil, "is written " + known
		}
	}
	if s.Open {
		return nil, ""
	}
	return nil, "is not a member of this object"
}

// refusesNull reports whether the values of the members must not be null.
func (s *Shape) refusesNull() bool { return s != nil && s.Members != nil && !s.Open }
