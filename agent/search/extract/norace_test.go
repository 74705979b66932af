//go:build !race

package extract_test

const detectorMemory = 0
