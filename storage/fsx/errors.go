package fsx

import (
	"errors"
	"fmt"

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
