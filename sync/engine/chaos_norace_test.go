//go:build !race

package engine

// defaultSchedules is what a plain `go test` runs.
const defaultSchedules = 10_000
