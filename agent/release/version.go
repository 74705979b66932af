package release

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// Version is a version of the program: three numbers, and for one before its
// release a word after a hyphen, ordered as semver.org says.
type Version struct {
	Major, Minor, Patch uint32
	Pre                 string
}

var versionForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})(?:-([0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*))?$`)

// maxVersion bounds the text of a version, in bytes.
const maxVersion = 64

// ParseVersion reads a version such as 1.4.2 or 1.5.0-rc.1. Anything else is
// ErrMalformed.
func ParseVersion(s string) (Version, error) {
	parts := versionForm.FindStringSubmatch(s)
	if parts == nil || len(s) > maxVersion {
		return Version{}, malformed("version %.70q", s)
	}
	number := func(s string) uint32 {
		n, _ := strconv.ParseUint(s, 10, 32) // six digits
		return uint32(n)
	}
	v := Version{number(parts[1]), number(parts[2]), number(parts[3]), parts[4]}
	if v == (Version{}) {
		return v, malformed("version 0.0.0")
	}
	return v, nil
}

// String is the text that ParseVersion reads, "" of the zero Version.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	s := strconv.FormatUint(uint64(v.Major), 10) + "." + strconv.FormatUint(uint64(v.Minor), 10) + "." + strconv.FormatUint(uint64(v.Patch), 10)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	return s
}

// Compare is below, equal to or above zero as v is lower than, equal to or higher
// than w.
func (v Version) Compare(w Version) int {
	if c := cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch)); c != 0 {
		return c
	}
	switch {
	case v.Pre == w.Pre:
		return 0
	case v.Pre == "":
		return 1
	case w.Pre == "":
		return -1
	}
	return comparePre(strings.Split(v.Pre, "."), strings.Split(w.Pre, "."))
}

func comparePre(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, errX := strconv.ParseUint(a[i], 10, 64)
		y, errY := strconv.ParseUint(b[i], 10, 64)
		c := strings.Compare(a[i], b[i])
		switch {
		case errX == nil && errY == nil:
			c = cmp.Or(cmp.Compare(x, y), c)
		case errX == nil:
			c = -1
		case errY == nil:
			c = 1
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// Refusal says why a release may not take the place of what is installed.
type Refusal string

// The reasons. Never rename one: hubs know them.
const (
	Older     Refusal = "older"      // a lower version, and no roll-back
	Replayed  Refusal = "replayed"   // a serial that was passed already
	TooFar    Refusal = "too-far"    // not after the version that is installed
	NoProgram Refusal = "no-program" // none for this platform
)

// Installed is what a release is to follow.
type Installed struct {
	Version  Version // zero: a build that has no version
	Serial   uint64  // of the newest release that was ever installed here; 0: none
	OS, Arch string
}

// Judge tells whether a release may be installed: "" when it may. The very version
// that is installed may, and changes nothing.
func (m Manifest) Judge(i Installed) Refusal {
	lower := m.Version.Compare(i.Version) < 0
	switch {
	case m.Serial < i.Serial || lower && m.Serial == i.Serial:
		return Replayed
	case lower && !m.RollBack:
		return Older
	case !m.RollBack && i.Version.Compare(m.After) < 0:
		return TooFar
	}
	if _, ok := m.File(i.OS, i.Arch); !ok {
		return NoProgram
	}
	return ""
}
