package docsign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// ErrTooLarge says that a file exceeds [MaxFile].
var ErrTooLarge = errors.New("file too large to check")

// sniffLength is how much of the start of a file decides its format.
const sniffLength = 4096

// file is the input of the readers of formats.
type file struct {
	r    io.ReaderAt
	size int64
	name string
	head []byte // the first bytes, at most sniffLength
}

// Check finds signatures in the file of the given name and size and judges
// them. An error says that reading failed or ctx ended, so that there is no
// verdict; whatever is wrong with the file itself is in the report. It may be
// called again with newer options for another verdict on the same file.
func Check(ctx context.Context, name string, r io.ReaderAt, size int64, opts Options) (Report, error) {
	report := Report{Version: ReportVersion, Name: clip(name), Format: FormatOther, Size: size, CheckedAt: opts.Now.UTC(), ClockBehind: opts.ClockBehind, Signatures: []Signature{}}
	report.Outcome = outcome(None, "", "none", "")
	if size < 0 || size > MaxFile {
		return report, ErrTooLarge
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, until(ctx, io.NewSectionReader(r, 0, size))); err != nil {
		return report, fmt.Errorf("read %s: %w", report.Name, err)
	}
	report.SHA256 = hex.EncodeToString(sum.Sum(nil))
	f := file{r: r, size: size, name: name, head: make([]byte, min(size, sniffLength))}
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), f.head); err != nil {
		return report, fmt.Errorf("read %s: %w", report.Name, err)
	}
	err := newChecker(opts).dispatch(ctx, f, &report)
	if err != nil {
		return report, fmt.Errorf("check %s: %w", report.Name, err)
	}
	return report, ctx.Err()
}

// dispatch hands the file to the reader of its format. A reader sets the
// format, the signatures and, with [Report.summarize] or by itself, the
// outcome; its error is of reading or of the context, never of content. A
// format without a reader is [FormatOther], of which nothing is said.
func (k *checker) dispatch(ctx context.Context, f file, report *Report) error {
	switch {
	case f.isPDF():
		return k.checkPDF(ctx, f, report)
	case f.isCMS():
		return k.checkCMS(ctx, f, report)
	case f.isXML():
		return k.checkXML(ctx, f, report)
	case f.startsWith("PK"):
		return k.checkPackage(ctx, f, report)
	}
	return nil
}

// readerFunc is a function as an [io.Reader].
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// until reads from r as long as ctx lasts.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

// summarize gives the outcome of a whole file from its signatures. Time stamps
// over the file sign nothing for anybody: only a broken one counts.
func (r *Report) summarize() {
	r.Outcome = outcome(None, "", "none", "")
	for _, s := range r.Signatures {
		if s.Kind == KindTimestamp && s.Indication != Failed {
			continue
		}
		r.Outcome = worse(r.Outcome, s.Outcome)
	}
	r.Additions = r.Indication == Passed && slices.ContainsFunc(r.Signatures, func(s Signature) bool { return s.Scope.Kind == ScopeAdditions })
	if r.Indication == None && len(r.Signatures) > 0 {
		r.Reason = Reason{Code: "only-stamps"}
	}
}

// hasExtension compares the ending of the file's name without regard to case.
func (f file) hasExtension(endings ...string) bool {
	got := strings.ToLower(path.Ext(f.name))
	for _, e := range endings {
		if got == e {
			return true
		}
	}
	return false
}

func (f file) startsWith(magic string) bool { return bytes.HasPrefix(f.head, []byte(magic)) }

// contains looks for any of the words anywhere in the file.
func (f file) contains(ctx context.Context, words ...string) (bool, error) {
	const overlap = 256
	buf := make([]byte, 64<<10)
	for at := int64(0); at < f.size; at += int64(len(buf) - overlap) {
		n, err := io.ReadFull(until(ctx, io.NewSectionReader(f.r, at, f.size-at)), buf)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, err
		}
		for _, w := range words {
			if bytes.Contains(buf[:n], []byte(w)) {
				return true, nil
			}
		}
	}
	return false, nil
}
