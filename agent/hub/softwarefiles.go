package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/release"
)

func newSoftwareKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// programPath is the main package of the office's program.
const programPath = "tram/cmd/tram"

// describe reads from the programs themselves for which platforms they are, and gives
// their paths in the order of the manifest.
func describe(m *release.Manifest, files []string) (paths []string, err error) {
	type program struct {
		release.File
		path string
	}
	var list []program
	var faults problem.List
	for _, path := range files {
		f, err := describeOne(path)
		if err != nil {
			faults.Note(err)
			continue
		}
		if slices.ContainsFunc(list, func(p program) bool { return p.OS == f.OS && p.Arch == f.Arch }) {
			faults.Note(problem.New(problem.Usage, "software.platform-twice", "FILE", i18n.Args{"file": path, "platform": f.OS + "/" + f.Arch}))
			continue
		}
		list = append(list, program{f, path})
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b program) int { return strings.Compare(a.OS+"/"+a.Arch, b.OS+"/"+b.Arch) })
	for _, p := range list {
		m.Files, paths = append(m.Files, p.File), append(paths, p.path)
	}
	return paths, nil
}

func describeOne(path string) (f release.File, err error) {
	src, err := os.Open(path)
	if err != nil {
		return f, problem.New(problem.Usage, "tram.unreadable-file", "FILE", i18n.Args{"file": path}).Because(err)
	}
	defer src.Close()
	info, err := buildinfo.Read(src)
	if err == nil && info.Path != programPath {
		err = errors.New("main package " + info.Path)
	}
	if err != nil {
		return f, problem.New(problem.Usage, "software.no-program", "FILE", i18n.Args{"file": path}).Because(err)
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			f.OS = s.Value
		case "GOARCH":
			f.Arch = s.Value
		}
	}
	sum := sha256.New()
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return f, err
	}
	if f.Size, err = io.Copy(sum, src); err != nil {
		return f, problem.New(problem.Usage, "tram.unreadable-file", "FILE", i18n.Args{"file": path}).Because(err)
	}
	f.SHA256 = [32]byte(sum.Sum(nil))
	return f, nil
}
