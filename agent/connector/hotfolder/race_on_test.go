//go:build race

package hotfolder

// Under the race detector the power goes at every third step of a writer, another
// third for each writer; make test runs all of them without it.
const stepsBetween = 3
