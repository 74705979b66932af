//go:build !race

package lgsp

const largeDocument = 200 << 20
