// Package revocationtest is what tests of revoking share: generators of
// credentials and histories, from alphabets so small that everything collides
// with everything, and a model of the index that is too simple to be wrong.
//
// It must never be imported by anything but tests, and the model must never
// learn a trick from the index: it keeps every record and looks at each.
//
// Read draw.go, then model.go.
package revocationtest
