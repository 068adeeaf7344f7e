// Package account remembers which clients, sessions and devices of each account
// presented credentials to this gateway.
//
// It informs previews and pages; it never decides. Its memory is bounded, and
// old sightings are forgotten. A rule that must always hold must not depend on
// it.
//
// Read sightings.go first, then sighting.go, identity.go and recency.go. The
// files reach.go and sessions.go search the sightings. The file witness.go
// stands alone.
package account
