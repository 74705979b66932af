package config

import (
	"os"
	"path/filepath"
	"runtime"
)

// DefaultDir returns the data folder of program ("tram" or "tram-hub") when
// none is given: the one its service uses.
func DefaultDir(program string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), program)
	}
	return "/var/lib/" + program
}
