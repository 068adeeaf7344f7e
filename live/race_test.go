//go:build race

package live

// raceDetector says that allocations are not those of production.
const raceDetector = true
