package ca

import (
	"os"
	"path/filepath"
)

// Restored reports whether this hub was just raised from a backup: its cards
// wait for the first Register.
func (c *CA) Restored() bool {
	_, err := os.Stat(filepath.Join(c.folder, restoredDir))
	return err == nil
}
