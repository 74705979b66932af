//go:build unix

package keystore

import (
	"fmt"
	"io/fs"
)

func checkMode(mode fs.FileMode) error {
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("%w: mode %04o", ErrPermissions, mode.Perm())
	}
	return nil
}
