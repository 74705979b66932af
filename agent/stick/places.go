package stick

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tram/storage/fsx"
)

// Place is a folder through which packages may go: a stick that is mounted, or
// one that the settings name.
type Place struct {
	Path        string
	Free, Total int64 // bytes; Total 0: not known
}

// maxPlaces bounds how many sticks are shown.
const maxPlaces = 16

// Places lists the removable media that are mounted, and the folder when it is
// not "" and exists.
func Places(folder string) []Place {
	paths := removable()
	if folder != "" {
		paths = append(paths, filepath.Clean(folder))
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var list []Place
	for _, path := range paths[:min(len(paths), maxPlaces)] {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue
		}
		p := Place{Path: path}
		if free, total, err := fsx.OS.Usage(path); err == nil {
			p.Free, p.Total = free, total
		}
		list = append(list, p)
	}
	return list
}

// stickFolders are where systems mount what people plug in.
var stickFolders = []string{"/media/", "/run/media/", "/mnt/"}

// mounted reads the mounts of Linux, in the form of /proc/self/mountinfo, and
// gives those of removable media.
func mounted(mountinfo string) (paths []string) {
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if len(fields) < 6 || dash < 0 || len(fields) < dash+3 || !strings.HasPrefix(fields[dash+2], "/dev/") {
			continue
		}
		path := octal.Replace(fields[4])
		if slices.ContainsFunc(stickFolders, func(dir string) bool { return strings.HasPrefix(path, dir) }) {
			paths = append(paths, path)
		}
	}
	return paths
}

// octal is how the kernel writes what would end a field.
var octal = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
