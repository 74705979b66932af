//go:build race

package engine

// defaultSchedules is smaller under the race detector, which makes each
// schedule several times slower; the machine itself has no goroutines.
const defaultSchedules = 2_000
