// Package strictjson checks a JSON document before anything decodes it, because
// encoding/json forgives what a security decision must not: of duplicate
// members it takes the last, it matches names without regard to case, it
// replaces broken Unicode, and it ignores what it doesn't know.
//
// It checks and never decodes, and what it allocates does not grow with a
// hostile document: nesting and members are bounded, and the first fault ends
// the walk.
package strictjson
