package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/docfields"
	"tram/agent/search/extract"
)

// Bounds of reading files while a draft is being saved. Beyond them nothing is
// proposed; the draft is safe before.
const (
	// ReadTime is how long it may take, all files together.
	ReadTime = 4 * time.Second
	// maxRead is how many files are looked at for the main document.
	maxRead = 3
)

// readKinds are the kinds of files in which documents are written.
var readKinds = []string{".pdf", ".docx", ".docm", ".odt"}

// proposedFields are what a file is read for.
var proposedFields = []string{"number", "notation", "date", "type", "subject", "urgency"}

// source is a file of a draft.
type source struct {
	name string
	open func() (io.ReadCloser, error)
}

// propose reads the main document of a draft that was just saved, and fills the
// fields that nobody has typed. It says which ones, so that a person checks.
func (s *site) propose(ctx context.Context, v *visit, id string, fields url.Values, added bool) error {
	if s.Reader == nil || !added && len(fields["scan"]) == 0 || len(fields["keep"])+len(fields["signed"]) > 0 {
		return nil
	}
	var free []string
	for _, name := range proposedFields {
		if untouched(fields, name) {
			free = append(free, name)
		}
	}
	if len(free) == 0 {
		return nil
	}
	owner := v.session.User.Name
	d, err := s.Composing.Get(ctx, owner, id)
	if err != nil {
		return err
	}
	var files []source
	for _, f := range d.Files {
		files = append(files, source{f.Name, func() (io.ReadCloser, error) {
			_, r, err := s.Composing.Open(ctx, owner, id, f.ID)
			return r, err
		}})
	}
	files = append(files, s.scanSources(fields["scan"])...)
	found, name := s.mainDocument(ctx, files)
	values := proposals(found)
	for _, field := range free {
		if value := values[field]; value != "" {
			fields.Set(field, value)
			fields.Add("proposed", field+"="+value)
			fields.Set("readfrom", name)
		}
	}
	if fields.Get("readfrom") == "" {
		return nil
	}
	return s.Composing.Save(ctx, owner, id, fields)
}

// scanSources are the chosen files of the scanner.
func (s *site) scanSources(ids []string) (files []source) {
	scans, err := s.Composing.Scans()
	if err != nil {
		return nil // the page says so
	}
	for _, c := range scans {
		if slices.Contains(ids, c.ID) {
			files = append(files, source{c.Name, func() (io.ReadCloser, error) {
				_, r, err := s.Composing.OpenScan(c.ID)
				return r, err
			}})
		}
	}
	return files
}

// untouched reports whether a field holds what nobody typed: nothing, or what the
// form began with. One that was read from a file before is left as it is now.
func untouched(fields url.Values, name string) bool {
	if slices.ContainsFunc(fields["proposed"], func(p string) bool { return strings.HasPrefix(p, name+"=") }) {
		return false
	}
	value := strings.TrimSpace(fields.Get(name))
	return value == "" || slices.Contains(fields["preset"], name+"="+value)
}

// mainDocument reads the first file with a letterhead. A file before it that
// cannot be read may be the main document, and then none is taken.
func (s *site) mainDocument(ctx context.Context, files []source) (docfields.Fields, string) {
	ctx, cancel := context.WithTimeout(ctx, ReadTime)
	defer cancel()
	select {
	case s.oneRead <- struct{}{}:
		defer func() { <-s.oneRead }()
	case <-ctx.Done():
		return docfields.Fields{}, ""
	}
	for _, f := range files[:min(len(files), maxRead)] {
		text, err := s.textOf(ctx, f)
		if err != nil {
			if !errors.Is(err, extract.ErrNoText) && !errors.Is(err, extract.ErrUnreadable) && ctx.Err() == nil {
				s.Logger.Warn("file of a draft not read", "error", err)
			}
			break
		}
		if strings.TrimSpace(text) == "" {
			break // a scan
		}
		if found := docfields.Read(text); found != (docfields.Fields{}) {
			return found, f.name
		}
	}
	return docfields.Fields{}, ""
}

func (s *site) textOf(ctx context.Context, f source) (string, error) {
	kind := extract.Kind(f.name)
	if !slices.Contains(readKinds, kind) {
		return "", extract.ErrNoText
	}
	body, err := f.open()
	if err != nil {
		return "", fmt.Errorf("open file: %w", err)
	}
	defer body.Close()
	text, err := s.Reader.Read(ctx, kind, body)
	return text.Text, err
}

// proposals are the values as the form holds them.
func proposals(f docfields.Fields) map[string]string {
	all := map[string]string{"number": f.Number, "notation": f.Notation, "subject": f.Subject, "date": formatDocDate(f.Date)}
	if slices.ContainsFunc(documentTypes, func(o Option) bool { return o.Value == f.Type }) {
		all["type"] = f.Type
	}
	if f.Urgency > 0 {
		all["urgency"] = strconv.Itoa(f.Urgency)
	}
	return all
}

// FromFile reports whether a field still holds what was read from a file.
func (view SendView) FromFile(name string) bool {
	value := map[string]string{"number": view.Number, "notation": view.Notation, "date": view.Date, "type": view.Type,
		"subject": view.Subject, "urgency": strconv.Itoa(view.Urgency)}[name]
	return value != "" && slices.Contains(view.Proposed, name+"="+value)
}

// ToCheck reports whether any field does.
func (view SendView) ToCheck() bool { return slices.ContainsFunc(proposedFields, view.FromFile) }
