//go:build !race

package extract

const detectorMemory = 0
