//go:build !linux

package doctor

import "errors"

// volume is the file system of a folder.
type volume struct {
	kind               string
	readOnly           bool
	inodes, inodesFree uint64
}

// lookAtVolume knows nothing here.
func lookAtVolume(string, string) (volume, error) { return volume{}, errors.ErrUnsupported }
