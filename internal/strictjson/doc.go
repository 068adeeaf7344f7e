// Package strictjson reads JSON in one way only, because encoding/json forgives
// what a security decision must not: of duplicate members it takes the last, it
// matches names without regard to case, it replaces broken Unicode, and it
// ignores what it doesn't know.
//
// [Check] checks a document and the names in it before another package decodes
// it. [Parse] returns the members of one object, for a caller that reads them
// itself. Both use the same scanner.
//
// The package never fills a struct, and what it allocates does not grow with a
// hostile document: nesting and members are bounded, and the first fault ends
// the walk.
//
// Read scanner.go first, then names.go, fault.go, shape.go and check.go (for
// documents that are decoded elsewhere), object.go and value.go (for objects
// that are read here).
package strictjson
