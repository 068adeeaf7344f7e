package account

import (
	"slices"

	"curfew.dev/curfew/revocation"
)

// Reach counts the accounts, sessions and devices that a target matches, as far
// as this gateway has seen them.
type Reach struct {
	Accounts int
	Sessions int
	Devices  int
	// Incomplete reports that sightings were forgotten to stay within the
	// limit, so the numbers are lower bounds.
	Incomplete bool
}

// Reach counts the distinct accounts, sessions and devices among the sightings
// that the target matches. It leaves out the exempt clients.
func (s *Sightings) Reach(t revocation.Target, exempt []string) Reach {
	match := t.Matcher()
	accounts := make(map[[2]string]struct{})
	sessions := make(map[[2]string]struct{})
	devices := make(map[[2]string]struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	for seen := range s.among(t) {
		c := &seen.credential
		if !match(c) || slices.Contains(exempt, c.Client) {
			continue
		}
		accounts[[2]string{c.Issuer, c.Subject}] = struct{}{}
		if c.Session != "" {
			sessions[[2]string{c.Issuer, c.Session}] = struct{}{}
		}
		if c.Device != "" {
			devices[[2]string{c.Issuer, c.Device}] = struct{}{}
		}
	}
	return Reach{Accounts: len(accounts), Sessions: len(sessions), Devices: len(devices), Incomplete: s.forgotten}
}
