//go:build race

package dossier

const underRace = true
