//go:build !linux

package service

import "time"

// sinceBoot is not known here.
func sinceBoot() time.Duration { return 0 }
