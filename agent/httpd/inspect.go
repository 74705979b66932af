package httpd

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// Limits of the inspection. What exceeds one is not shown inline.
const (
	pdfHead        = 1024      // the magic must stand within it, bytes
	window         = 128 << 10 // read at once, bytes
	overlap        = 256       // kept of the window before, so no name is cut
	maxName        = 64        // longest name compared, bytes
	maxStreams     = 50_000    // object streams opened
	maxInflated    = 16 << 20  // of one object stream, bytes
	maxInflatedAll = 256 << 20
	dictReach      = 4 << 10 // from /ObjStm to its stream, bytes
)

// activeNames are the PDF names that make a document more than a page: scripts,
// programs to start, files inside, forms that run or send.
var activeNames = map[string]bool{
	"JavaScript": true, "Launch": true, "EmbeddedFile": true, "EmbeddedFiles": true,
	"RichMedia": true, "SubmitForm": true, "ImportData": true, "GoToE": true, "XFA": true,
}

// inspectPDF reads the whole file once in bounded memory and opens every
// compressed object stream. What it cannot open counts as Active: a viewer may
// be able to.
func inspectPDF(r io.ReadSeeker) (Look, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Download, err
	}
	head := make([]byte, pdfHead)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Download, err
	}
	if !bytes.Contains(head[:n], []byte("%PDF-")) {
		return Download, nil
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Download, err
	}
	s := &nameScan{}
	if err := s.run(r); err != nil {
		return Download, fmt.Errorf("scan: %w", err)
	}
	if s.active || len(s.streams) > maxStreams {
		return Active, nil
	}
	var total int64
	for _, at := range s.streams {
		look, n, err := inspectStream(r, at)
		if err != nil || look == Active {
			return look, err
		}
		if total += n; total > maxInflatedAll {
			return Active, nil
		}
	}
	return Inline, nil
}

// nameScan looks for names in a run of bytes.
type nameScan struct {
	active  bool
	streams []int64 // offsets just after the name ObjStm
}

// run reads r to its end, or to the first active name.
func (s *nameScan) run(r io.Reader) error {
	buf := make([]byte, 0, window+overlap)
	var base int64 // offset of buf[0]
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		stop := len(buf)
		if !end {
			stop -= overlap
		}
		s.names(buf, stop, base)
		if end || s.active || len(s.streams) > maxStreams {
			return nil
		}
		base += int64(stop)
		buf = buf[:copy(buf[:cap(buf)], buf[stop:])]
	}
}

// names examines the names that begin before stop.
func (s *nameScan) names(buf []byte, stop int, base int64) {
	for i := 0; i < stop; {
		at := bytes.IndexByte(buf[i:stop], '/')
		if at < 0 {
			return
		}
		i += at + 1
		name, after := readName(buf[i:])
		switch {
		case name == "ObjStm":
			s.streams = append(s.streams, base+int64(i+after))
		case name == "XFA":
			// Three letters turn up by chance in compressed images; the real
			// key is followed by an array or a reference.
			rest := bytes.TrimLeft(buf[i+after:min(i+after+16, len(buf))], " \r\n\t\f\x00")
			s.active = s.active || len(rest) > 0 && (rest[0] == '[' || rest[0] >= '0' && rest[0] <= '9')
		case activeNames[name]:
			s.active = true
		}
		if s.active {
			return
		}
	}
}

// readName decodes the name at the start of p with its #xx escapes and returns
// how many bytes it took.
func readName(p []byte) (string, int) {
	var name []byte
	i := 0
	for i < len(p) && len(name) < maxName && !delimiter(p[i]) {
		c := p[i]
		if c == '#' && i+2 < len(p) {
			if hi, lo := nibble(p[i+1]), nibble(p[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		name = append(name, c)
		i++
	}
	return string(name), i
}

func delimiter(c byte) bool {
	return bytes.IndexByte([]byte("\x00\t\n\f\r ()<>[]{}/%"), c) >= 0
}

func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// inspectStream inflates the object stream whose dictionary holds offset at.
func inspectStream(r io.ReadSeeker, at int64) (Look, int64, error) {
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return Download, 0, err
	}
	dict := make([]byte, dictReach)
	n, err := io.ReadFull(r, dict)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Download, 0, err
	}
	i := bytes.Index(dict[:n], []byte("stream"))
	if i < 0 {
		return Active, 0, nil
	}
	i += len("stream")
	for i < n && (dict[i] == '\r' || dict[i] == '\n') {
		i++
	}
	if _, err := r.Seek(at+int64(i), io.SeekStart); err != nil {
		return Download, 0, err
	}
	z, err := zlib.NewReader(r)
	if err != nil {
		return Active, 0, nil // encrypted, or another filter
	}
	counted := &capped{Reader: z, left: maxInflated}
	first := make([]byte, 1)
	if _, err := io.ReadFull(counted, first); err != nil || !(first[0] >= '0' && first[0] <= '9' || first[0] <= ' ') {
		return Active, 0, nil // an object stream begins with numbers: this one is filtered twice
	}
	inner := &nameScan{}
	_ = inner.run(io.MultiReader(bytes.NewReader(first), counted)) // a damaged end is what viewers skip as well
	if inner.active || counted.left <= 0 {
		return Active, 0, nil
	}
	return Inline, maxInflated - counted.left, nil
}

// capped ends after left bytes and leaves left at zero or below then.
type capped struct {
	io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	n, err := c.Reader.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
