//go:build !race

package register

// year is the lines of a busy commune's book in a year.
const year = 3000
