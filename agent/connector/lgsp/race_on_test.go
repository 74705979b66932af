//go:build race

package lgsp

// The race detector makes streams slow. Without it the test is the whole one.
const largeDocument = 24 << 20
