package office

import (
	"bytes"
	"context"
	"errors"
	"io"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// originalName is the entry of a container that holds the whole message with
// its attachments, byte for byte. No attachment gets this name.
const originalName = "original.edxml"

// given is what a letter keeps of a message that was handed over.
type given struct {
	id       string        // DocumentId
	message  []byte        // the skeleton, which travels as the message
	original *blob.Content // the whole message when it carries a signature, else nil
	warnings []edxml.Warning
}

func (g *given) signed() bool { return g != nil && g.original != nil }

func (g *given) keepOriginal(tx *sqlite.Tx, seq int64) error {
	if g == nil {
		return nil
	}
	return insertOriginal(tx, seq, g.original)
}

// describe adds to the detail of an audit entry.
func (g *given) describe(detail map[string]string) {
	if g == nil {
		return
	}
	detail["imported"], detail["edxml_id"] = "edxml", cut(g.id, MaxReason)
	if g.signed() {
		detail["original"] = hexSum(g.original.SHA256)
	}
	if len(g.warnings) > 0 {
		detail["warnings"] = warningList(g.warnings)
	}
}

// travelling are the files of the container: the attachments, or the signed
// message that holds them.
func (l letter) travelling(files []file) []file {
	if !l.given.signed() {
		return files
	}
	return []file{{name: originalName, entry: originalName, media: MediaType(originalName), content: *l.given.original}}
}

// messageOf is the message that is sealed.
func (o *Office) messageOf(id storage.ID, l letter, files []file) ([]byte, error) {
	if l.given != nil {
		return l.given.message, nil
	}
	return encodeDocument(o.message(id, l, files))
}

// contents takes the contents of a message while it is read. Nothing is kept of
// those that are not committed one by one.
type contents struct {
	store   *blob.Store
	writers []*blob.Writer
}

// Create implements [edxml.Stage].
func (c *contents) Create(int) (io.WriteCloser, error) {
	w, err := c.store.Create()
	if err != nil {
		return nil, err
	}
	c.writers = append(c.writers, w)
	return unclosed{w}, nil
}

// unclosed keeps a writer open beyond the end of its content: whether it is
// kept shows when the message has been read.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func (c *contents) abort() {
	for _, w := range c.writers {
		w.Abort()
	}
}

// readerAt is a function as io.ReaderAt.
type readerAt func(p []byte, off int64) (int, error)

func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }

// unwrapContent makes a file of one content of a message, in the blob store. A
// content that only wraps the file is not kept, which spares writing it for good.
func (o *Office) unwrapContent(ctx context.Context, w *blob.Writer, name string, limit int64) (blob.Content, []edxml.Warning, error) {
	stored := readerAt(func(p []byte, off int64) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return w.ReadAt(p, off)
	})
	f, err := edxml.Unwrap(stored, w.Size(), name, limit)
	if err != nil {
		return blob.Content{}, nil, err
	}
	if !f.Wrapped {
		c, err := w.Commit()
		return c, f.Warnings, err
	}
	body, err := f.Open()
	if err != nil {
		return blob.Content{}, nil, err
	}
	defer body.Close()
	plain, err := o.blobs.Stage(ctx, body, 0)
	return plain, f.Warnings, err
}

// takeOriginal takes in a signed message and the attachments that it holds. Its
// header must be the message that was sealed.
func (o *Office) takeOriginal(ctx context.Context, e opened, object int, head seal.Head, in *arrival) error {
	c, err := o.takeFile(ctx, e, object, head.Files[0])
	if err != nil {
		return ofFile(originalName, err)
	}
	body, err := o.blobs.Reader(c)
	if err != nil {
		return err
	}
	defer body.Close()
	staged := &contents{store: o.blobs}
	defer staged.abort()
	full, err := edxml.Read(&interrupted{ctx, body}, edxml.ReadOptions{Stage: staged})
	if err != nil {
		return unreadableOriginal(err)
	}
	if !bytes.Equal(full.Skeleton, head.Message) {
		return reject("original-differs", nil)
	}
	refs, err := edxml.Carried(full.Skeleton)
	if err != nil {
		return unreadableOriginal(err)
	}
	for i, ref := range refs {
		plain, warnings, err := o.unwrapContent(ctx, staged.writers[i], ref.Name, 0)
		if err != nil {
			return unreadableOriginal(err)
		}
		name := safeName(ref.Name)
		in.files = append(in.files, file{name: name, media: MediaType(name), content: plain})
		in.doc.Size += plain.Size
		in.warnings = append(in.warnings, warnings...)
	}
	in.original = &c
	return nil
}

// unreadableOriginal rejects for good what is wrong with the message; other
// errors may pass.
func unreadableOriginal(err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return err
	}
	return &rejection{reason: "original", args: i18n.Args{"why": i18n.Say("problem."+p.Code, p.Args)}, err: err}
}
