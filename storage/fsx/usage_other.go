//go:build unix && !linux && !darwin && !freebsd && !dragonfly

package fsx

import "errors"

func usage(string) (free, total int64, err error) { return 0, 0, errors.ErrUnsupported }
