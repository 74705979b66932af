//go:build race

package extract

// detectorMemory is what the race detector takes beside what it watches, in bytes.
const detectorMemory = 1 << 30
