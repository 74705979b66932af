//go:build !race

package engine

// What a plain go test runs.
const (
	defaultSchedules   = 10_000
	defaultOvertakings = 100_000
)
