//go:build race

package micro

// raceDetector says that allocations are not those of production.
const raceDetector = true
