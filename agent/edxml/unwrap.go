package edxml

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Limits of unpacking, both hard: beyond them the message is refused.
const (
	// MaxRatio is how many times larger than its zip a file may be, once it is
	// larger than RatioFloor.
	MaxRatio = 200
	// RatioFloor is the size in bytes from which on MaxRatio counts.
	RatioFloor = 16 << 20
)

const (
	maxEntries   = 8         // of a zip that is looked into; a wrapped file has one
	maxDirectory = 256 << 10 // bytes of a zip that are read to list it
)

// File is what an attachment is for people: the file that its zip wraps, or
// the content itself.
type File struct {
	Size     int64
	SHA256   [sha256.Size]byte
	Wrapped  bool // taken out of a zip
	Warnings []Warning

	open func() (io.ReadCloser, error)
}

// Open reads the file from its start. It may be called as often as wanted
// while the content from which it comes can be read.
func (f *File) Open() (io.ReadCloser, error) { return f.open() }

// Unwrap judges a staged content of size bytes, whose AttachmentName is name. A
// zip of exactly one file is a wrapper when the entry has the extension of the
// name, and, with a warning, when the name is not that of a zip or an office
// file; one wrapper is taken off. Everything else is the file itself. The
// name of the entry is used for nothing else. The file is read once, so that
// a checksum that fails and a file of more than limit bytes (zero means
// [MaxAttachment]) or [MaxRatio] are found here and not later.
func Unwrap(r io.ReaderAt, size int64, name string, limit int64) (*File, error) {
	if limit <= 0 {
		limit = MaxAttachment
	}
	u := &unwrapper{r: r, size: size, name: name, limit: limit}
	f, err := u.unwrap()
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = &File{Size: size, open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(r, 0, size)), nil
		}}
		if err := u.sum(f); err != nil {
			return nil, err
		}
	}
	if err := u.sniff(f); err != nil {
		return nil, err
	}
	f.Warnings = u.warnings
	return f, nil
}

type unwrapper struct {
	r        io.ReaderAt
	size     int64
	name     string
	limit    int64
	zip      *watched
	warnings []Warning
}

func (u *unwrapper) warn(code, value string) {
	m := mapper{}
	m.warn(code, label(u.name, 0), value)
	u.warnings = append(u.warnings, m.warnings...)
}

// unwrap returns the wrapped file, nil when there is none.
func (u *unwrapper) unwrap() (*File, error) {
	head := make([]byte, 2)
	if n, err := u.r.ReadAt(head, 0); n < len(head) || string(head) != "PK" {
		return nil, notEOF(err)
	}
	entry, readable, err := u.entry()
	if err != nil {
		return nil, err
	}
	if !readable {
		u.warn(WarnZip, "")
		return nil, nil
	}
	if entry == nil {
		return nil, nil
	}
	same := strings.EqualFold(extension(entry.Name), extension(u.name))
	if !same && isArchive(u.name) {
		return nil, nil
	}
	f := &File{Wrapped: true, open: entry.Open}
	err = u.verify(f, entry)
	u.zip.done = true
	switch {
	case u.zip.failed != nil:
		return nil, u.zip.failed
	case errors.Is(err, errUnreadable):
		u.warn(WarnZip, "")
		return nil, nil
	case err != nil:
		return nil, err
	}
	if !same {
		u.warn(WarnExtension, extension(entry.Name))
	}
	return f, nil
}

// notEOF drops the end of what is read, which says only that it is short.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// entry returns the only file of the zip, nil when there are more or none.
func (u *unwrapper) entry() (entry *zip.File, readable bool, err error) {
	count, err := u.count()
	if err != nil || count < 0 {
		return nil, false, err
	}
	if count > maxEntries {
		return nil, true, nil
	}
	u.zip = &watched{r: u.r, left: maxDirectory}
	z, err := zip.NewReader(u.zip, u.size)
	switch {
	case u.zip.spent:
		return nil, true, nil
	case u.zip.failed != nil:
		return nil, false, u.zip.failed
	case err != nil:
		return nil, false, nil
	}
	u.zip.left = -1
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if entry != nil {
			return nil, true, nil
		}
		entry = f
	}
	return entry, true, nil
}

// endRecord is the fixed part of the end of a zip's directory.
const endRecord = 22

// count reads how many entries the zip says it has, -1 when it does not say.
// It looks where archive/zip looks, which allocates by this number. Zips that
// need 64-bit sizes count as many: they wrap nothing that could be taken.
func (u *unwrapper) count() (int, error) {
	for _, length := range []int64{1024, 65 << 10} {
		tail := make([]byte, min(length, u.size))
		if n, err := u.r.ReadAt(tail, u.size-int64(len(tail))); n < len(tail) {
			return -1, notEOF(err)
		}
		for i := len(tail) - endRecord; i >= 0; i-- {
			if !bytes.HasPrefix(tail[i:], []byte("PK\x05\x06")) {
				continue
			}
			record := tail[i : i+endRecord]
			if i+endRecord+int(binary.LittleEndian.Uint16(record[20:])) > len(tail) {
				return -1, nil
			}
			if binary.LittleEndian.Uint32(record[12:]) >= 0xFFFF || binary.LittleEndian.Uint32(record[16:]) == 0xFFFFFFFF {
				return maxEntries + 1, nil
			}
			return int(binary.LittleEndian.Uint16(record[10:])), nil
		}
	}
	return -1, nil
}

// watched is a zip while it is judged: it reads at most left bytes, a negative
// left being without end, and tells a failure of what it reads from a zip that
// is broken. When it is done it only reads, for many at once.
type watched struct {
	r      io.ReaderAt
	left   int64
	spent  bool
	failed error
	done   bool
}

var (
	errSpent  = errors.New("the directory of the zip is too long")
	errOffset = errors.New("the zip points to before its start")
)

// ReadAt implements io.ReaderAt.
func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	if w.done {
		return w.r.ReadAt(p, off)
	}
	if off < 0 {
		return 0, errOffset
	}
	if w.left >= 0 {
		if w.left -= int64(len(p)); w.left < 0 {
			w.left, w.spent = 0, true
			return 0, errSpent
		}
	}
	n, err := w.r.ReadAt(p, off)
	if notEOF(err) != nil {
		w.failed = err
	}
	return n, err
}

// errUnreadable says that a zip cannot be unpacked, so that it is no wrapper.
var errUnreadable = errors.New("unreadable zip")

// verify unpacks an entry once, within the limits.
func (u *unwrapper) verify(f *File, entry *zip.File) error {
	packed, err := entry.Open()
	if err != nil {
		return errUnreadable // an unknown method or a broken local header
	}
	defer func() { _ = packed.Close() }() // read only
	digest := sha256.New()
	buf := make([]byte, splitBuffer)
	for {
		n, err := packed.Read(buf)
		f.Size += int64(n)
		digest.Write(buf[:n])
		switch {
		case f.Size > u.limit:
			return errUnpackedLarge(label(u.name, 0), u.limit)
		case f.Size > RatioFloor && f.Size/MaxRatio > u.size:
			return errBomb(label(u.name, 0))
		case errors.Is(err, io.EOF):
			digest.Sum(f.SHA256[:0])
			return nil
		case err != nil:
			return errUnreadable
		}
	}
}

// sum hashes a file that is what travelled.
func (u *unwrapper) sum(f *File) error {
	if u.size > u.limit {
		return errAttachmentLarge(label(u.name, 0), u.limit)
	}
	digest := sha256.New()
	if n, err := io.Copy(digest, io.NewSectionReader(u.r, 0, u.size)); err != nil {
		return err
	} else if n < u.size {
		return io.ErrUnexpectedEOF
	}
	digest.Sum(f.SHA256[:0])
	return nil
}

// extension returns the extension of a file's name in lower case, without dot.
func extension(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return ""
	}
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(name[dot+1:])))
}

// isArchive reports whether files of that name are zips themselves.
func isArchive(name string) bool {
	return magics[extension(name)] == zipMagic
}

const zipMagic = "PK"

// magics are the first bytes of files by extension, as far as all programs
// agree on them.
var magics = map[string]string{
	"pdf": "%PDF-", "png": "\x89PNG", "jpg": "\xFF\xD8", "jpeg": "\xFF\xD8",
	"zip": zipMagic, "asice": zipMagic,
	"docx": zipMagic, "docm": zipMagic, "dotx": zipMagic, "xlsx": zipMagic, "xlsm": zipMagic, "xltx": zipMagic,
	"pptx": zipMagic, "pptm": zipMagic, "ppsx": zipMagic,
	"odt": zipMagic, "ods": zipMagic, "odp": zipMagic, "odg": zipMagic, "ott": zipMagic, "ots": zipMagic,
}

// sniffed is how far into a file its first bytes are looked for: readers of PDF
// allow junk before them.
const sniffed = 1024

// sniff warns when a file cannot be what its name says, unless something was
// odd about it already.
func (u *unwrapper) sniff(f *File) error {
	magic := magics[extension(u.name)]
	if magic == "" || f.Size == 0 || len(u.warnings) > 0 {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read only
	head, err := io.ReadAll(io.LimitReader(r, sniffed))
	if err != nil {
		return err
	}
	fits := bytes.HasPrefix(head, []byte(magic))
	if magic == magics["pdf"] {
		fits = bytes.Contains(head, []byte(magic))
	}
	if !fits {
		u.warn(WarnExtension, extension(u.name))
	}
	return nil
}
