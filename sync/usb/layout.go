package usb

import (
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"tram/sync/bundle"
)

// Root is the folder of all packages on a stick: the name and the version.
const Root = "tram/1"

const manifestSuffix = ".tram"

// folder names the place of all packages from one office to another. Like a
// topic level it is in lower case with '.' written '_'; ':', which FAT does not
// take, is written '='. The '+' keeps it from being a device name of Windows.
func folder(from, to string) (string, error) {
	a, err := level(from)
	if err != nil {
		return "", err
	}
	b, err := level(to)
	if err != nil {
		return "", err
	}
	return path.Join(Root, a+"+"+b), nil
}

func level(code string) (string, error) {
	name := []byte(code)
	for i, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			name[i] = c + 'a' - 'A'
		case c == '.':
			name[i] = '_'
		case c == ':':
			name[i] = '='
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
		default:
			return "", fmt.Errorf("%w: office code %q cannot be a folder", bundle.ErrMalformed, code)
		}
	}
	return string(name), nil
}

// folderName is the form of the folders below Root.
var folderName = regexp.MustCompile(`^[a-z0-9_=-]{1,64}\+[a-z0-9_=-]{1,64}$`)

// Belongs tells whether name, a path with slashes below the topmost folder of a
// stick, is that of a file of a package: what a copy of a stick holds, and
// nothing else.
func Belongs(name string) bool {
	dir, file := path.Split(name)
	place, found := strings.CutPrefix(strings.TrimSuffix(dir, "/"), Root+"/")
	_, manifest := manifestID(file)
	return found && dir != "" && folderName.MatchString(place) && (manifest || contentName.MatchString(file))
}

// MadeBy tells whether a file that belongs to a package is of one that the
// office or hub with that code has made.
func MadeBy(name, code string) bool {
	from, err := level(code)
	return err == nil && strings.HasPrefix(name, Root+"/"+from+"+")
}

func manifestName(id uuid.UUID) string { return hex.EncodeToString(id[:]) + manifestSuffix }

// manifestID is the inverse of manifestName.
func manifestID(name string) (uuid.UUID, bool) {
	b, err := hex.DecodeString(strings.TrimSuffix(name, manifestSuffix))
	if err != nil || len(b) != len(uuid.UUID{}) || manifestName(uuid.UUID(b)) != name {
		return uuid.Nil, false
	}
	return uuid.UUID(b), true
}

// contentName is the form of the names that parts of files have.
var contentName = regexp.MustCompile(`^[0-9a-f]{64}(\.[1-9][0-9]?)?$`)

// part is one file of a File's content.
type part struct {
	name string
	off  int64
	size int64
}

func (f File) parts() []part {
	name := hex.EncodeToString(f.SHA256[:])
	var list []part
	for off := int64(0); off < f.Size; off += PartSize {
		p := part{name: name, off: off, size: min(PartSize, f.Size-off)}
		if n := len(list); n > 0 {
			p.name += "." + strconv.Itoa(n)
		}
		list = append(list, p)
	}
	return list
}
