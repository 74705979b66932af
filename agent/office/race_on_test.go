//go:build race

package office

// underRace shortens what the race detector makes ten times slower.
const underRace = true
