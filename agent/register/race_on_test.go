//go:build race

package register

// year is fewer than a year has: the race detector makes paper slow. Without it the
// test is the whole one.
const year = 400
