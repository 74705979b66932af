//go:build race

package engine

// Under the race detector there are fewer schedules, since each is several times
// slower; the machine itself has no goroutines.
const (
	defaultSchedules   = 2_000
	defaultOvertakings = 5_000
)
