//go:build race

package extract_test

// largeFile is less than without the detector, under which reading takes ten times
// as long.
const largeFile = 16 << 20
