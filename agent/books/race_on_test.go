//go:build race

package books

// The race detector makes paper slow. Without it the tests are the whole ones.
const (
	rowsOfAYear = 400
	randomDays  = 2
)
