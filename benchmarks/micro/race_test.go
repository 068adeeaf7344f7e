//go:build race

package micro

// raceDetector says that the number of allocations is not that of production.
const raceDetector = true
