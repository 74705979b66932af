package office

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Handover is an edXML message that another program of this office wrote.
type Handover struct {
	Body    io.Reader // read once, to its end
	Name    string    // of its file, for messages
	Cleared bool      // as in [Draft]
	Try     bool      // check it and tell, but change nothing
	By      string    // as in [Draft]
	App     string    // as in [Handed]
	// Also is that of [Handed] for a document; a status, which is given once
	// however often it is handed over, does not call it.
	Also func(tx *sqlite.Tx, done Imported) error
	// Permit is asked before anything changes, with what the message is: a new
	// document, or a status about one. Its error refuses the message; nil
	// permits all.
	Permit func(ctx context.Context, kind string, about Document) error
	Key    string // as in [Draft], of a document; a status is given once in any case
}

// Kinds of messages that are handed over.
const (
	KindDocument = "document"
	KindStatus   = "status"
)

// Imported is what came of a [Handover].
type Imported struct {
	Kind string `json:"kind"`
	// Code is that of a status, "" of a document.
	Code edxml.StatusCode `json:"code,omitempty"`
	// Changed is false when it was only tried, for a document that was handed over
	// under the same key, and for a status that had been given before.
	Changed bool `json:"changed"`
	// Document is the one that was saved, or that the status is about. One that
	// was only tried has no ID.
	Document Document        `json:"document"`
	Warnings []edxml.Warning `json:"warnings"`
}

// contentSlack is what a zip may add to the file that it wraps, bytes.
const contentSlack = 1 << 20

// Import takes an edXML message over: a document of this office is sent with
// the header as it was written, a status is given to the incoming document that
// it names. Faults come as a problem.List or a problem; whatever the error,
// nothing is saved. A document that was handed over before is refused, as
// import.already, so that handing over again after a crash sends nothing twice;
// under the key that it had then, it is returned instead.
func (o *Office) Import(ctx context.Context, h Handover) (Imported, error) {
	if doc, ok, err := o.handed(ctx, h.Key); err != nil || ok {
		return Imported{Kind: KindDocument, Document: doc, Warnings: []edxml.Warning{}}, err
	}
	staged := &contents{store: o.blobs}
	defer staged.abort()
	whole, err := o.blobs.Create()
	if err != nil {
		return Imported{}, storing(err)
	}
	defer whole.Abort()
	full, err := o.readHandover(ctx, h, staged, whole)
	if err != nil {
		return Imported{}, err
	}
	switch m := full.Message.(type) {
	case *edxml.Status:
		return o.importStatus(ctx, h, m, full.Warnings)
	case *edxml.Document:
		in := &importing{review: review{o: o}, h: h, full: full, doc: m, staged: staged, whole: whole}
		return in.do(ctx)
	}
	return Imported{}, fmt.Errorf("import message: unknown kind %T", full.Message)
}

// readHandover reads the message, its contents into staged and all of it into
// whole.
func (o *Office) readHandover(ctx context.Context, h Handover, staged *contents, whole *blob.Writer) (*edxml.Full, error) {
	body := &storage.Source{R: &interrupted{ctx, h.Body}}
	full, err := edxml.Read(io.TeeReader(body, whole), edxml.ReadOptions{
		Stage: staged, MaxAttachments: o.limits.Files, MaxAttachment: o.limits.File + contentSlack, MaxTotal: o.limits.Total + contentSlack,
	})
	var p *problem.Problem
	switch {
	case err == nil:
		return full, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("import message: %w", ctx.Err())
	case body.Err != nil:
		return nil, problem.New(problem.Usage, "import.unreadable", "", i18n.Args{"name": printable(h.Name)}).Because(body.Err)
	case errors.As(err, &p):
		return nil, err
	}
	return nil, storing(err)
}

func (h Handover) permit(ctx context.Context, kind string, about Document) error {
	if h.Permit == nil {
		return nil
	}
	return h.Permit(ctx, kind, about)
}

// importing is a document while it is taken over.
type importing struct {
	review
	h      Handover
	full   *edxml.Full
	doc    *edxml.Document
	staged *contents
	whole  *blob.Writer
	known  bool // the document that it updates is here
}

func (in *importing) do(ctx context.Context) (Imported, error) {
	if err := in.h.permit(ctx, KindDocument, Document{}); err != nil {
		return Imported{}, err
	}
	if in.doc.Operation() == edxml.OpRecall {
		return in.recall(ctx, in.doc.Target(), nil)
	}
	if err := in.fresh(ctx); err != nil {
		return Imported{}, err
	}
	if in.doc.Operation() == edxml.OpUpdate {
		_, err := in.o.outgoingOf(ctx, in.doc.Target())
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return Imported{}, err
		}
		in.known = err == nil
	}
	if gone, rest := in.receivers(); len(gone) > 0 && len(rest) == 0 {
		return in.recall(ctx, in.doc.Target(), gone)
	}
	l := in.letter()
	if err := errors.Join(in.earlierOf(ctx, &l), in.unborne(ctx, l)); err != nil {
		return Imported{}, err
	}
	files, err := in.files(ctx)
	if err != nil {
		return Imported{}, err
	}
	if err := in.faulty(ctx); err != nil {
		return Imported{}, err
	}
	if in.full.Signed {
		c, err := in.whole.Commit()
		if err != nil {
			return Imported{}, storing(err)
		}
		l.given.original = &c
	}
	l.given.warnings = in.full.Warnings
	done := Imported{Kind: KindDocument, Warnings: append([]edxml.Warning{}, in.full.Warnings...), Document: in.o.outgoing(storage.ID{}, l, files)}
	if in.h.Try {
		return done, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Imported{}, fmt.Errorf("import document: %w", err)
	}
	done.Changed = true
	if in.h.Also != nil {
		l.handed.Also = func(tx *sqlite.Tx, saved Document) error {
			told := done
			told.Document = saved
			return in.h.Also(tx, told)
		}
	}
	if done.Document, err = in.o.seal(ctx, id, l, files, false); errors.Is(err, seal.ErrTooLarge) {
		return Imported{}, problem.New(problem.Usage, "edxml.too-large", "", i18n.Args{"limit": seal.MaxHead >> 20}).Because(err)
	}
	return done, err
}

// faulty is what is wrong with the message. Of one that was handed over twice at once
// its own number is no fault.
func (in *importing) faulty(ctx context.Context) error {
	err := in.faults.Err()
	if err == nil {
		return nil
	}
	return cmp.Or(in.fresh(ctx), err)
}

// fresh refuses a message that this office has sent before.
func (in *importing) fresh(ctx context.Context) error {
	return in.o.db.View(ctx, func(tx *sqlite.Tx) error { return notYetThere(tx, in.doc.ID) })
}

// notYetThere refuses a document that this office has sent before.
func notYetThere(tx *sqlite.Tx, edxmlID string) error {
	var id storage.ID
	var number, notation string
	err := tx.QueryRow(`SELECT id, number, notation FROM documents WHERE edxml_id = ? AND box = 'out' ORDER BY seq LIMIT 1`, edxmlID).
		Scan(&id, &number, &notation)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return problem.New(problem.Conflict, "import.already", "DocumentId", i18n.Args{
		"document": edxmlID, "id": id.String(), "number": edxml.Code{Number: number, Notation: notation}.String(),
	})
}

// letter checks the header as a draft is checked. What the codec only warns of,
// such as long texts and odd codes, travels as it is.
func (in *importing) letter() letter {
	d := in.doc
	l := letter{
		subject: d.Subject, content: d.Content, urgency: Urgency(d.Urgency()), code: d.Code, date: d.Date, at: in.o.now(),
		kind: edxml.Kind{Name: d.Type.Name}, by: strings.TrimSpace(in.h.By), cleared: in.h.Cleared, key: in.h.Key,
		answers: answeredIn(d), carries: carried(d), given: &given{id: d.ID, message: in.full.Skeleton}, handed: Handed{App: in.h.App},
	}
	if k, ok := edxml.KindByName(d.Type.Name); ok {
		l.kind.Abbr = k.Abbr
	}
	if !in.o.isCodeOf(d.From.ID, in.o.me.Code) {
		in.fault("import.not-ours", "From", i18n.Args{"code": printable(d.From.ID), "ours": in.o.me.Code})
	}
	_, to := in.receivers()
	l.to, l.moved = in.recipients(to)
	l.via = in.via
	in.words("subject", d.Subject, 0)
	in.words("content", d.Content, 0)
	in.secret("subject", d.Subject, in.h.Cleared)
	in.secret("content", d.Content, in.h.Cleared)
	return l
}

// files takes the attachments in, by the order of their places. The error is
// not a fault of the message.
func (in *importing) files(ctx context.Context) ([]file, error) {
	refs, err := edxml.Carried(in.full.Skeleton)
	if err != nil {
		return nil, err
	}
	if len(refs) == 0 {
		in.fault("send.no-file", "files", nil)
		return nil, nil
	}
	files := make([]file, 0, len(refs))
	left := in.o.limits.Total
	for i, ref := range refs {
		f := in.name(ref.Name, i, in.h.Cleared)
		if err := in.unwrap(ctx, &f, in.staged.writers[i], ref.Name, left); err != nil {
			return nil, err
		}
		left -= f.content.Size
		files = append(files, f)
	}
	return files, nil
}

// unwrap makes the file of a content. The error is not a fault of the message.
func (in *importing) unwrap(ctx context.Context, f *file, w *blob.Writer, name string, left int64) error {
	limits := in.o.limits
	args := i18n.Args{"name": f.shown, "limit": sizeText(limits.File), "total": sizeText(limits.Total)}
	if w.Size() == 0 {
		in.fault("send.file-empty", "files", args)
		return nil
	}
	plain, warnings, err := in.o.unwrapContent(ctx, w, name, limits.File)
	var p *problem.Problem
	switch {
	case errors.As(err, &p) && (p.Code == "edxml.attachment-large" || p.Code == "edxml.unpacked-large"):
		in.fault("send.file-too-large", "files", args)
	case errors.As(err, &p):
		in.faults = append(in.faults, p)
	case err != nil:
		return storing(err)
	case plain.Size > left:
		in.fault("send.total-too-large", "files", args)
	case plain.Size == 0:
		in.fault("send.file-empty", "files", args)
	}
	f.content = plain
	in.full.Warnings = append(in.full.Warnings, warnings...)
	return nil
}
