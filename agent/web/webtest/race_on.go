//go:build race

package webtest

const racing = true
