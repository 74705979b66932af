//go:build !race

package books

const (
	// rowsOfAYear is how many lines a busy commune's register has.
	rowsOfAYear = 3000
	randomDays  = 8
)
