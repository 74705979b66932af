package seal

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
)

// zipWriter writes a container whose first entry is the mimetype, stored and
// without extra field, so that its type can be seen at a fixed offset.
type zipWriter struct {
	zip *zip.Writer
	at  time.Time
}

func newWriter(dst io.Writer, at time.Time) (*zipWriter, error) {
	w := &zipWriter{zip: zip.NewWriter(dst), at: at.UTC().Truncate(time.Second)}
	h := &zip.FileHeader{
		Name: mimetypeName, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(ContainerType)),
		CompressedSize64: uint64(len(ContainerType)), UncompressedSize64: uint64(len(ContainerType)),
	}
	h.ModifiedDate = dosEpoch //lint:ignore SA1019 Modified would add an extra field, which this entry must not have
	e, err := w.zip.CreateRaw(h)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(e, ContainerType)
	return w, err
}

// dosEpoch is 1 January 1980 in the zip format's own form.
const dosEpoch = 1<<5 | 1

// add writes a small entry in one go.
func (w *zipWriter) add(name string, data []byte) error {
	e, err := w.create(name, zip.Deflate)
	if err != nil {
		return err
	}
	_, err = e.Write(data)
	return err
}

func (w *zipWriter) create(name string, method uint16) (io.Writer, error) {
	h := &zip.FileHeader{Name: name, Method: method}
	if w.at.Year() >= 1980 && w.at.Year() < 2108 {
		h.Modified = w.at
	}
	return w.zip.CreateHeader(h)
}

// zipReader is an opened zip whose directory passed the checks of [openZip].
type zipReader struct {
	files  []*zip.File // in the order of the directory; the first is mimetype
	byName map[string]*zip.File
}

// openZip reads the directory of an ASiC-E container under the limits and
// demands the mimetype in its place. It reads no other entry.
func openZip(r io.ReaderAt, size int64) (*zipReader, error) {
	bounded := &boundedAt{r: r, left: MaxDirectory}
	archive, err := zip.NewReader(bounded, size)
	if err != nil {
		if bounded.left < 0 {
			return nil, fmt.Errorf("%w: directory", ErrTooLarge)
		}
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	bounded.open = true
	if len(archive.File) > MaxEntries {
		return nil, fmt.Errorf("%w: %d entries", ErrTooLarge, len(archive.File))
	}
	z := &zipReader{byName: make(map[string]*zip.File, len(archive.File))}
	var packed uint64
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") && f.UncompressedSize64 == 0 {
			continue // folders, which other programs write
		}
		if err := checkEntry(f); err != nil {
			return nil, err
		}
		if z.byName[f.Name] != nil {
			return nil, fmt.Errorf("%w: %q stands there twice", ErrMalformed, f.Name)
		}
		z.byName[f.Name] = f
		z.files = append(z.files, f)
		if packed += f.CompressedSize64; packed > uint64(size) {
			return nil, fmt.Errorf("%w: entries overlap", ErrMalformed)
		}
	}
	return z, z.checkMimetype()
}

func checkEntry(f *zip.File) error {
	if err := checkName(f.Name); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case f.Flags&1 != 0:
		return fmt.Errorf("%w: %q is encrypted", ErrMalformed, f.Name)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return fmt.Errorf("%w: %q is packed in an unknown way", ErrMalformed, f.Name)
	case f.UncompressedSize64 > MaxFile || f.CompressedSize64 > MaxFile:
		return fmt.Errorf("%w: %q", ErrTooLarge, f.Name)
	}
	return nil
}

// mimetypeOffset is where the type of a container stands in its bytes.
const mimetypeOffset = 30 + len(mimetypeName)

func (z *zipReader) checkMimetype() error {
	if len(z.files) == 0 || z.files[0].Name != mimetypeName || z.files[0].Method != zip.Store {
		return fmt.Errorf("%w: mimetype is not the first entry", ErrMalformed)
	}
	if off, err := z.files[0].DataOffset(); err != nil || off != int64(mimetypeOffset) {
		return fmt.Errorf("%w: mimetype is not in its place", ErrMalformed)
	}
	text, err := z.read(mimetypeName, int64(len(ContainerType)))
	if err != nil {
		return err
	}
	if string(text) != ContainerType {
		return fmt.Errorf("%w: mimetype is not ASiC-E", ErrMalformed)
	}
	return nil
}

// read gives the content of a small entry.
func (z *zipReader) read(name string, limit int64) ([]byte, error) {
	f := z.byName[name]
	if f == nil {
		return nil, fmt.Errorf("%w: %q is missing", ErrMalformed, name)
	}
	if f.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("%w: %q", ErrTooLarge, name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrMalformed, name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", unpackError(err), name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %q", ErrTooLarge, name)
	}
	return data, nil
}

// unpackError tells bad packing from a failure to read.
func unpackError(err error) error {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrMalformed
	}
	return errRead
}

var errRead = errors.New("read container")

// boundedAt bounds how much is read while the directory is being opened.
type boundedAt struct {
	r    io.ReaderAt
	left int64
	open bool // the bound is lifted
}

func (b *boundedAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, ErrTooLarge
		}
	}
	return b.r.ReadAt(p, off)
}
