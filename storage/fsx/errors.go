package fsx

import (
	"errors"
	"fmt"
	"io/fs"

	"tram/storage"
)

// MapError adds [storage.ErrFull] to an error that means that the volume or a
// quota has no room left. Other errors, and nil, come back unchanged.
func MapError(err error) error {
	if err == nil || errors.Is(err, storage.ErrFull) || !isFull(err) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrFull, err)
}

// IsReadOnly says that err means that the volume takes no writes: it is mounted
// so, its switch is set so, or this user may not write there.
func IsReadOnly(err error) bool { return errors.Is(err, fs.ErrPermission) || isReadOnly(err) }
