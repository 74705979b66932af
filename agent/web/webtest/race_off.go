//go:build !race

package webtest

// racing says that the race detector is on.
const racing = false
