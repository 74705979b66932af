//go:build !race

package extract_test

const largeFile = 200 << 20
