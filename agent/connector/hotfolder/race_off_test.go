//go:build !race

package hotfolder

const stepsBetween = 1
