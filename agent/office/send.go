package office

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// file is one attachment on its way into a document.
type file struct {
	name, shown, media string
	entry              string // in the sealed container
	content            blob.Content
}

// Send checks a draft, seals it, and saves it for sending. When it returns
// without error the document is durable. Faults of the draft come as a
// problem.List; a full disk as a problem of class Full. Whatever the error,
// nothing of the document is saved.
func (o *Office) Send(ctx context.Context, d Draft) (Document, error) {
	if doc, ok, err := o.handed(ctx, d.Key); err != nil || ok {
		return doc, err
	}
	r := &review{o: o}
	l := r.draft(d)
	if err := r.changes(ctx, d.Changes, &l); err != nil {
		return Document{}, err
	}
	if err := r.replies(ctx, d.Replies, &l); err != nil {
		return Document{}, err
	}
	if err := r.unborne(ctx, l); err != nil {
		return Document{}, fmt.Errorf("send document: %w", err)
	}
	files := r.files(d)
	if err := r.read(ctx, d, files); err != nil {
		return Document{}, err
	}
	if err := r.faults.Err(); err != nil {
		return Document{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Document{}, fmt.Errorf("send document: %w", err)
	}
	if l.code.Number != "" || !l.carries.IsZero() {
		return o.seal(ctx, id, l, files, false)
	}
	series, err := o.seriesOf(ctx, l.year(), l.kind, l.code.Notation)
	if err != nil {
		return Document{}, fmt.Errorf("send document: %w", err)
	}
	var doc Document
	err = o.withNumber(ctx, series, l.code.Notation, func(no int) error {
		l.code.Number = formatNumber(no)
		doc, err = o.seal(ctx, id, l, files, true)
		return err
	})
	return doc, err
}

// read takes in the files. With a fault already found it only looks at them,
// so that their faults are told as well and nothing is stored. The error is
// not a fault of the draft.
func (r *review) read(ctx context.Context, d Draft, files []file) error {
	left := r.o.limits.Total
	for i := range files {
		f := &files[i]
		size, err := r.readFile(ctx, d.Files[i], f, min(r.o.limits.File, left))
		if err != nil {
			return err
		}
		left -= size
	}
	return nil
}

func (r *review) readFile(ctx context.Context, u Upload, f *file, limit int64) (int64, error) {
	args := i18n.Args{"name": f.shown, "limit": sizeText(r.o.limits.File), "total": sizeText(r.o.limits.Total)}
	if u.Body == nil {
		r.fault("send.unreadable", "files", args)
		return 0, nil
	}
	body := &storage.Source{R: u.Body}
	c, err := r.store(ctx, body, limit)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		code := "send.file-too-large"
		if limit < r.o.limits.File {
			code = "send.total-too-large"
		}
		r.fault(code, "files", args)
	case ctx.Err() != nil:
		return 0, fmt.Errorf("send document: %w", ctx.Err())
	case body.Err != nil:
		p := problem.New(problem.Usage, "send.unreadable", "files", args)
		r.faults = append(r.faults, p.Because(body.Err))
	case err != nil:
		return 0, storing(err)
	case c.Size == 0:
		r.fault("send.file-empty", "files", args)
	}
	f.content = c
	return c.Size, nil
}

// store stages content; with a fault already found it only measures it. A
// limit of zero or less is none to Stage: then every byte is too much.
func (r *review) store(ctx context.Context, body io.Reader, limit int64) (blob.Content, error) {
	if len(r.faults) == 0 && limit > 0 {
		return r.o.blobs.Stage(ctx, body, limit)
	}
	limit = max(limit, 0)
	n, err := io.Copy(io.Discard, &interrupted{ctx, io.LimitReader(body, limit+1)})
	if n > limit {
		return blob.Content{Size: n}, blob.ErrTooLarge
	}
	return blob.Content{Size: n}, err
}

// sizeText writes a limit in the largest unit that it reaches.
func sizeText(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "KB"}} {
		if n >= u.bytes && (n%u.bytes == 0 || n >= 10*u.bytes) {
			return strconv.FormatInt(n/u.bytes, 10) + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10) + " byte"
}

// storing turns an error of the stores into what a person can act on.
func storing(err error) error {
	if errors.Is(err, storage.ErrFull) {
		return problem.New(problem.Full, "office.full", "", nil).Because(err)
	}
	return fmt.Errorf("save document: %w", err)
}

// seal makes the bundle of a checked draft and saves everything. reserved says
// that its number is from the series.
func (o *Office) seal(ctx context.Context, id storage.ID, l letter, files []file, reserved bool) (Document, error) {
	series, err := o.seriesOf(ctx, l.year(), l.kind, l.code.Notation)
	if err != nil {
		return Document{}, err
	}
	head, err := o.sealDocument(ctx, id, l, files)
	if err != nil {
		return Document{}, err
	}
	kept, err := o.stage(ctx, head)
	if err != nil {
		return Document{}, err
	}
	p, err := o.bundleOf(ctx, id, l, head, files)
	if err != nil {
		return Document{}, err
	}
	row := o.outgoing(id, l, files)
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		return o.save(tx, row, l, files, p, kept, numberedRow{
			series: series, number: row.Number, notation: row.Notation, reserved: reserved, except: l.change.same,
		})
	})
	if err != nil {
		return Document{}, storing(err)
	}
	if l.change != nil && len(l.change.removed) > 0 {
		if err := o.sendAsks(ctx); err != nil {
			o.complain(ctx, "recalls not made", err) // they are saved, and made later
		}
	}
	return o.Get(ctx, id)
}

// bundleOf packs a document for the recipients that are reached over Trạm; the
// parcel is empty when there are none.
func (o *Office) bundleOf(ctx context.Context, id storage.ID, l letter, head []byte, files []file) (parcel, error) {
	to := l.overTram()
	if len(to) == 0 {
		return parcel{}, nil
	}
	stamp, err := seal.StampOn(head, seal.StampName(o.me.Trust.Hub))
	if err != nil {
		return parcel{}, err
	}
	return o.pack(ctx, bundle.Header{
		ID: id, Kind: bundle.KindDocument, Stamp: stamp, Urgency: uint8(l.urgency),
		Created: l.at, Expires: l.at.Add(o.limits.Lifetime),
	}, head, l.travelling(files), to)
}

// offer queues a parcel, unless it is empty.
func (o *Office) offer(tx *sqlite.Tx, p parcel) error {
	if len(p.contents) == 0 {
		return nil
	}
	return o.queue.Put(tx, p.bundle, p.contents, o.toHub())
}

func (o *Office) save(tx *sqlite.Tx, row Document, l letter, files []file, p parcel, head blob.Content, no numberedRow) error {
	row.Created = tx.Now()
	if l.given != nil {
		if err := notYetThere(tx, row.EdXMLID); err != nil {
			return err
		}
	}
	seq, err := insertOutgoing(tx, row, l, files, p, head)
	if err != nil {
		return err
	}
	err = insertEvent(tx, seq, Event{
		Step: Saved, At: l.at, Learnt: tx.Now(), Signer: o.me.Code, Evidence: EvidenceSeal,
	}, 0)
	if err != nil {
		return err
	}
	if err := noteMoved(tx, seq, l); err != nil {
		return err
	}
	if err := o.relateOut(tx, seq, l); err != nil {
		return err
	}
	if err := o.relateReplies(tx, seq, row, l.answers); err != nil {
		return err
	}
	if l.carries.IsZero() {
		if err := o.numbers.number(tx, seq, no); err != nil {
			return err
		}
	}
	if err := o.offer(tx, p); err != nil {
		return err
	}
	o.changed(tx)
	detail := map[string]string{
		"number": l.code.String(), "recipients": strconv.Itoa(len(l.to)), "files": strconv.Itoa(len(files)),
		"size": strconv.FormatInt(row.Size, 10), "header": hexDigest(p.bundle.Header),
	}
	if l.cleared {
		detail["declared"] = declaredNoSecret
	}
	l.given.describe(detail)
	if l.handed.Also != nil {
		if err := l.handed.Also(tx, row); err != nil {
			return err
		}
	}
	return audit.Append(tx, audit.Entry{Actor: o.actor(l.by), Action: actionSend, Subject: row.ID.String(), Detail: detail})
}

// insertOutgoing writes a new document with its content.
func insertOutgoing(tx *sqlite.Tx, row Document, l letter, files []file, p parcel, head blob.Content) (int64, error) {
	seq, err := insertDocument(tx, row, 0)
	if err != nil {
		return 0, err
	}
	for i, f := range files {
		if err := insertAttachment(tx, seq, i, f); err != nil {
			return 0, err
		}
	}
	return seq, errors.Join(
		ofApp(tx, seq, l.handed.App),
		keepKey(tx, l.key, seq),
		insertHead(tx, seq, append([]byte{}, p.bundle.Header...), &head),
		l.given.keepOriginal(tx, seq),
	)
}

// outgoing is the row of a new document.
func (o *Office) outgoing(id storage.ID, l letter, files []file) Document {
	d := Document{
		ID: id, Box: Out, From: Party{o.me.Code, o.me.Name}, Subject: l.subject, Number: l.code.Number, Notation: l.code.Notation,
		Type: l.kind.Abbr, TypeName: l.kind.Name, Date: l.date.ISO(), Urgency: l.urgency, State: Saved,
		Expires: l.at.Add(o.limits.Lifetime), EdXMLID: l.edxmlID(o.me.Code, id), Dossier: l.carries,
	}
	for _, c := range l.to {
		d.To = append(d.To, Recipient{Party: Party{c.Code, c.Name}, State: Saved, Via: l.via[c.Code]})
	}
	for _, f := range files {
		d.Size += f.content.Size
	}
	return d
}

// sealDocument makes the head. It names the files' entries.
func (o *Office) sealDocument(ctx context.Context, id storage.ID, l letter, files []file) ([]byte, error) {
	taken := map[string]bool{seal.MessageName: true, originalName: true}
	for i := range files {
		if l.given.signed() {
			break // they are in the original, which is the one entry
		}
		files[i].entry = seal.SafeName(files[i].name, taken)
	}
	message, err := o.messageOf(id, l, files)
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return o.sealAs(ctx, l.action(), seal.Named{Name: seal.MessageName, Data: message}, sealedFiles(l.travelling(files)))
}

// numeric reads a number given by hand when it is a plain one.
func numeric(s string) (int, bool) {
	const most = 999_999 // beyond it is no number of a yearly series
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n <= most
}

// actor is who an audit entry names: the person, or this office by itself.
func (o *Office) actor(by string) string {
	if by == "" {
		return o.me.Code
	}
	return by
}
