//go:build !race

package extract_test

const detectorMemory = 0

const largeFile = 200 << 20
