//go:build race

package live

// raceDetector says that the number of allocations is not that of production.
const raceDetector = true
