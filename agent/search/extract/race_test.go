//go:build race

package extract_test

// detectorMemory is what the race detector takes beside what it watches, in bytes.
const detectorMemory = 1 << 30

// largeFile is less than without the detector, under which reading takes ten times
// as long.
const largeFile = 16 << 20
