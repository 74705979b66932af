package edxml

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Assurance is what the strict writer must be told by those who know it.
type Assurance struct {
	// Known reports whether the directory has an office of that code. With nil
	// it has none.
	Known func(code string) bool
	// NotSecret is the sender's declaration that the document holds no state
	// secret.
	NotSecret bool
}

// EncodeFull writes d with the files of its manifest, in its order: each in a
// zip of its own, base64 on one line, in constant memory whatever their size.
// Beyond what [EncodeDocument] refuses, it refuses an office that the directory
// does not know and a document that was not declared free of state secrets.
// ContentType is written as application/zip. When a file cannot be read, some
// of the message may have been written.
func EncodeFull(w io.Writer, d *Document, files []func() (io.ReadCloser, error), a Assurance) error {
	if !a.NotSecret {
		return problem.New(problem.Usage, "edxml.not-declared", "", nil)
	}
	written := *d
	written.Manifest = slices.Clone(d.Manifest)
	for i := range written.Manifest {
		written.Manifest[i].ContentType = zipType
	}
	var skeleton bytes.Buffer
	if err := EncodeDocument(&skeleton, &written); err != nil {
		return err
	}
	for _, code := range addressees(d) {
		if a.Known == nil || !a.Known(code) {
			return problem.New(problem.Usage, "edxml.unknown-office", "OrganId", i18n.Args{"office": code})
		}
	}
	contents := make([]Content, len(files))
	for i, open := range files {
		contents[i] = Content{Open: open, Plain: true}
	}
	return Rebuild(w, skeleton.Bytes(), contents)
}

// addressees are the offices that a message comes from and goes to.
func addressees(d *Document) []string {
	codes := []string{d.From.ID}
	for _, to := range d.To {
		codes = append(codes, to.ID)
	}
	if d.Business != nil && d.Business.Update != nil {
		for _, r := range d.Business.Update.Receivers {
			if strings.TrimSpace(r.Type) == "1" {
				codes = append(codes, r.OrganID)
			}
		}
	}
	return codes
}
