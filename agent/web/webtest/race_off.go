//go:build !race

package webtest

const underRace = false
