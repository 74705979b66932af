package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/page"
	"tram/storage"
	"tram/storage/fsx"
)

const (
	uploadPattern = "tai-len-*"
	maxFieldBytes = 64 << 10 // of one field
	maxFields     = 300
	// formOverhead is what fields and part headers may add to the files, bytes.
	formOverhead = 4 << 20
)

// upload is a form with files. The files wait on disk, because their fields
// may stand after them and the Office reads them only when all is right.
type upload struct {
	fields  url.Values
	files   []spooled
	maxFile int64 // bytes of one file
}

type spooled struct {
	name, path string
	size       int64
}

func (u *upload) field(name string) string { return strings.TrimSpace(u.fields.Get(name)) }

// receive reads the form of the request. The upload is never nil and holds
// what was read, also with an error.
func (s *site) receive(v *visit) (*upload, error) {
	return s.receiveWithin(v, s.Config.MaxFile, s.Config.MaxUpload)
}

// receiveWithin is receive with other bounds of one file and of all, in bytes.
func (s *site) receiveWithin(v *visit, maxFile, maxUpload int64) (*upload, error) {
	up := &upload{fields: url.Values{}, maxFile: maxFile}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxUpload+formOverhead)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return up, problem.New(problem.Usage, "web.send.not-a-form", "", nil).Because(err)
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return up, s.ownForm(v, up)
		}
		if err != nil {
			return up, s.readProblem(v, up, err)
		}
		if n >= maxFields+s.Config.MaxFiles {
			return up, problem.New(problem.Usage, "web.send.not-a-form", "", nil)
		}
		if err := s.receivePart(v, up, part); err != nil {
			return up, err
		}
	}
}

func (s *site) receivePart(v *visit, up *upload, part *multipart.Part) error {
	defer part.Close()
	if part.FormName() != "files" {
		value, err := io.ReadAll(io.LimitReader(part, maxFieldBytes))
		if err != nil {
			return s.readProblem(v, up, err)
		}
		up.fields.Add(part.FormName(), string(value))
		return nil
	}
	if part.FileName() == "" {
		return nil // no file chosen
	}
	if err := s.ownForm(v, up); err != nil { // before anything is written
		return err
	}
	if len(up.files) >= s.Config.MaxFiles {
		return problem.New(problem.Usage, "web.send.too-many", "files", i18n.Args{"max": s.Config.MaxFiles})
	}
	f, err := os.CreateTemp(s.Config.UploadDir, uploadPattern)
	if err != nil {
		return s.diskProblem(err)
	}
	up.files = append(up.files, spooled{name: part.FileName(), path: f.Name()})
	last := &up.files[len(up.files)-1]
	disk := &diskWriter{f: f}
	last.size, err = io.Copy(disk, io.LimitReader(part, up.maxFile+1))
	closeErr := f.Close()
	switch {
	case disk.err != nil:
		return s.diskProblem(disk.err)
	case err != nil:
		return s.readProblem(v, up, err)
	case closeErr != nil:
		return s.diskProblem(closeErr)
	case last.size > up.maxFile:
		return tooLarge(v, up.maxFile)
	}
	return nil
}

// ownForm refuses a form without the token of this session, which stands before
// its files.
func (s *site) ownForm(v *visit, up *upload) error {
	if v.RightToken(up.fields.Get(page.TokenField)) {
		return nil
	}
	return problem.New(problem.Denied, "web.stale-form", "", nil)
}

// diskWriter tells errors of the disk from those of the browser.
type diskWriter struct {
	f   *os.File
	err error
}

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.f.Write(p)
	d.err = err
	return n, err
}

func (s *site) diskProblem(err error) error {
	if errors.Is(fsx.MapError(err), storage.ErrFull) {
		return problem.New(problem.Full, "web.send.disk-full", "files", nil).Because(err)
	}
	return fmt.Errorf("keep upload: %w", err)
}

func (s *site) readProblem(v *visit, up *upload, err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge(v, up.maxFile)
	}
	return problem.New(problem.Usage, "web.send.cut", "files", nil).Because(err)
}

func tooLarge(v *visit, limit int64) error {
	return problem.New(problem.Usage, "web.send.too-large", "files", i18n.Args{"max": formatSize(v.lang, limit)})
}

// remove deletes the waiting files.
func (u *upload) remove(log *slog.Logger) {
	for _, f := range u.files {
		if err := os.Remove(f.path); err != nil {
			log.Warn("remove upload", "error", err)
		}
	}
}

func (f spooled) upload() office.Upload {
	return office.Upload{Name: f.name, Body: &lazyReader{open: func() (io.ReadCloser, error) { return os.Open(f.path) }}}
}

// lazyReader opens at the first read and closes at the end, so that a form of
// many files holds one open.
type lazyReader struct {
	open func() (io.ReadCloser, error)
	r    io.ReadCloser
	err  error
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.r == nil && l.err == nil {
		l.r, l.err = l.open()
	}
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.r.Read(p)
	if err != nil {
		l.err = err
		if closeErr := l.r.Close(); closeErr != nil && errors.Is(err, io.EOF) {
			l.err = closeErr
		}
	}
	return n, err
}
