//go:build !linux

package hotfolder

// unixWriters do what only some systems have.
var unixWriters []writer
