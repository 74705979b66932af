//go:build !unix

package keystore

import "io/fs"

func checkMode(fs.FileMode) error { return nil }
