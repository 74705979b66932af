package office

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Foreign is an edXML message of an office outside of Trạm that came through a
// connector.
type Foreign struct {
	Via  string    // the connector
	Ref  string    // of the message, at the other system
	Name string    // for messages to people
	Body io.Reader // read once, to its end
}

// Taken is what came of a [Foreign].
type Taken struct {
	Kind     string // as of [Imported], "" when it was set aside unread
	Document storage.ID
	// New is false for what had been taken in before.
	New bool
	// Aside is why the message was refused; it is in quarantine then.
	Aside *i18n.Said
}

// TakeIn files a message from outside of Trạm, once, whatever repeats. A
// document goes into the inbox with an [Origin] in the place of a seal, a status
// into the track of the document that it is about. An order to cancel a document
// is put before a person, whatever the document's state: no seal stands behind
// it, so that it cancels nothing by itself. A message that is refused is
// in quarantine with its bytes when TakeIn returns; that is no error. An error
// may pass, also one of reading Body: nothing is kept then.
//
// A message of an office that Trạm reaches is refused (P7), however it spells
// that office's code.
func (o *Office) TakeIn(ctx context.Context, f Foreign) (Taken, error) {
	if t, known, err := o.takenBefore(ctx, f); err != nil || known {
		return t, err
	}
	return o.takeIn(ctx, f, 0)
}

// takenBefore looks for a message that has been filed or set aside.
func (o *Office) takenBefore(ctx context.Context, f Foreign) (t Taken, known bool, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		t, known, err = takenAs(tx, f)
		return err
	})
	return t, known, err
}

func takenAs(tx *sqlite.Tx, f Foreign) (t Taken, known bool, err error) {
	err = tx.QueryRow(`SELECT f.kind, d.id FROM foreigns f JOIN documents d ON d.seq = f.document WHERE f.via = ? AND f.ref = ?`, f.Via, f.Ref).
		Scan(&t.Kind, &t.Document)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return t, err == nil, err
	}
	var why string
	err = tx.QueryRow(`SELECT reason FROM quarantine WHERE via = ? AND ref = ?`, f.Via, f.Ref).Scan(&why)
	if errors.Is(err, sql.ErrNoRows) {
		return Taken{}, false, nil
	}
	return Taken{Aside: readWording(why).said}, err == nil, err
}

// taking is a message while it is taken in.
type taking struct {
	o      *Office
	f      Foreign
	full   *edxml.Full
	staged *contents
	whole  *blob.Writer
	sender string
	large  bool  // beyond maxForeign: the bytes are not kept
	again  int64 // its row in quarantine, 0 for none
}

// maxForeign is the most bytes of a message: attachments are zipped, in base64.
func (o *Office) maxForeign() int64 { return o.limits.Total/2*3 + edxml.MaxMessage }

func (o *Office) takeIn(ctx context.Context, f Foreign, again int64) (Taken, error) {
	whole, err := o.blobs.Create()
	if err != nil {
		return Taken{}, storing(err)
	}
	defer whole.Abort()
	in := &taking{o: o, f: f, staged: &contents{store: o.blobs}, whole: whole, again: again}
	defer in.staged.abort()
	switch refused, err := in.read(ctx); {
	case err != nil:
		return Taken{}, err
	case refused != nil:
		return in.refuse(ctx, refused)
	}
	switch m := in.full.Message.(type) {
	case *edxml.Status:
		in.sender = m.From.ID
		if why := o.impostor(m.From.ID); why != nil {
			return in.refuse(ctx, why)
		}
		return in.status(ctx, m)
	case *edxml.Document:
		in.sender = m.From.ID
		return in.document(ctx, m)
	}
	return Taken{}, fmt.Errorf("take in message: unknown kind %T", in.full.Message)
}

// read reads all of the message, also behind a fault in it.
func (in *taking) read(ctx context.Context) (refused *i18n.Said, err error) {
	o := in.o
	body := &storage.Source{R: &interrupted{ctx, io.LimitReader(in.f.Body, o.maxForeign()+1)}}
	in.full, err = edxml.Read(io.TeeReader(body, in.whole), edxml.ReadOptions{
		Stage: in.staged, MaxAttachments: o.limits.Files, MaxAttachment: o.limits.File + contentSlack, MaxTotal: o.limits.Total + contentSlack,
		Office: o.codes(),
	})
	var p *problem.Problem
	if errors.As(err, &p) {
		refused = i18n.Say("problem."+p.Code, p.Args)
		_, err = io.Copy(in.whole, body)
	}
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("take in message: %w", ctx.Err())
	case body.Err != nil:
		return nil, fmt.Errorf("take in message: %w", body.Err)
	case err != nil:
		return nil, storing(err)
	case in.whole.Size() > o.maxForeign():
		in.large = true
		return i18n.Say("office.foreign.large", i18n.Args{"limit": sizeText(o.limits.Total)}), nil
	}
	return refused, nil
}

// codes are those of this office, of today and before.
func (o *Office) codes() []string {
	codes := []string{o.me.Code}
	if c, err := o.registry.Lookup(o.me.Code); err == nil {
		codes = append(codes, c.Old...)
	}
	return codes
}

// impostor says why a message from outside of Trạm cannot be from the office
// that it names; nil when it can.
func (o *Office) impostor(code string) *i18n.Said {
	args := i18n.Args{"code": printable(code)}
	code = strings.TrimSpace(code)
	if registry.CheckCode(code) != nil {
		return i18n.Say("office.foreign.code", args)
	}
	for _, c := range []string{code, turned(code)} {
		card, _, err := o.registry.Resolve(c)
		if o.isMe(c) || o.isHub(c) || err == nil && card.Enrolled() {
			return i18n.Say("office.foreign.enrolled", args)
		}
	}
	return nil
}

func (in *taking) status(ctx context.Context, s *edxml.Status) (Taken, error) {
	return in.fileOnce(ctx, func(tx *sqlite.Tx) (Taken, *i18n.Said, error) { return in.fileStatus(tx, s) })
}

// fileOnce files a message in one transaction, unless it had been taken in before,
// or refuses it.
func (in *taking) fileOnce(ctx context.Context, file func(*sqlite.Tx) (Taken, *i18n.Said, error)) (t Taken, err error) {
	var why *i18n.Said
	err = in.o.db.Update(ctx, func(tx *sqlite.Tx) error {
		known := false
		if in.again == 0 {
			if t, known, err = takenAs(tx, in.f); err != nil || known {
				return err
			}
		}
		t, why, err = file(tx)
		return err
	})
	switch {
	case err != nil:
		return Taken{}, storing(err)
	case why != nil:
		return in.refuse(ctx, why)
	}
	return t, nil
}

// fileStatus puts a status into the track of the document that it is about; its
// sender must be a recipient of it through the same connector.
func (in *taking) fileStatus(tx *sqlite.Tx, s *edxml.Status) (t Taken, why *i18n.Said, err error) {
	about := s.ResponseFor
	t = Taken{Kind: KindStatus, New: true}
	var seq int64
	var office string
	box, code := Out, s.From.ID
	if s.Code == edxml.StatusTakeBack { // about one that its sender had sent here
		box, code = In, in.o.me.Code
	}
	err = tx.QueryRow(`SELECT d.seq, d.id, r.code FROM documents d JOIN recipients r ON r.document = d.seq
		WHERE d.box = ?1 AND r.via = ?2 AND r.code_key IN (?3, ?4) AND (?1 = 'out' OR lower(d.from_code) = ?5)
		AND (d.edxml_id = ?6 AND ?6 <> '' OR ?6 = '' AND CASE d.notation WHEN '' THEN d.number ELSE d.number || '/' || d.notation END = ?7)
		ORDER BY d.seq DESC LIMIT 1`, string(box), in.f.Via, registry.Key(code), registry.Key(turned(code)), registry.Key(s.From.ID),
		about.DocumentID, about.Code).Scan(&seq, &t.Document, &office)
	if errors.Is(err, sql.ErrNoRows) {
		named := about.DocumentID
		if named == "" {
			named = about.Code
		}
		return Taken{}, noDocument(named, s.From.ID), nil
	}
	if err != nil {
		return Taken{}, nil, err
	}
	return t, nil, in.trackStatus(tx, seq, box, office, s)
}

func (in *taking) trackStatus(tx *sqlite.Tx, seq int64, box Box, office string, s *edxml.Status) error {
	var there bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM events WHERE document = ? AND office = ? AND code = ? AND at = ? AND evidence = ?)`,
		seq, office, string(s.Code), s.Time, EvidenceForeign).Scan(&there)
	if err != nil {
		return err
	}
	switch {
	case there && !s.Time.IsZero(): // the same, under another name
	case box == In:
		err = in.takeBack(tx, seq, order{
			from: s.From.ID, edxmlID: s.ResponseFor.DocumentID, reason: cut(s.Description, MaxReason), person: cut(s.Staff.Name, MaxSigner), at: s.Time,
		})
	default:
		err = in.o.trackStatus(tx, seq, office, s, 0)
	}
	if err != nil {
		return err
	}
	return in.keep(tx, seq, KindStatus, map[string]string{"code": cut(string(s.Code), 20)})
}

// keep notes the message as taken in, and that it is in quarantine no more.
func (in *taking) keep(tx *sqlite.Tx, seq int64, kind string, detail map[string]string) error {
	o := in.o
	warnings, err := json.Marshal(in.full.Warnings)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO foreigns (via, ref, kind, sender, document, at, warnings, head) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		in.f.Via, in.f.Ref, kind, in.sender, seq, tx.Now(), string(warnings), in.full.Skeleton)
	if err != nil {
		return fmt.Errorf("note message: %w", err)
	}
	if in.again != 0 {
		if _, err := tx.Exec(`DELETE FROM quarantine WHERE seq = ?`, in.again); err != nil {
			return fmt.Errorf("leave quarantine: %w", err)
		}
	}
	o.changed(tx)
	action := map[string]string{KindDocument: actionFile, KindStatus: actionStatus}[kind]
	detail["from"], detail["ref"], detail["message"] = in.sender, printable(in.f.Ref), hexDigest(in.full.Skeleton)
	if len(in.full.Warnings) > 0 {
		detail["warnings"] = warningList(in.full.Warnings)
	}
	var id storage.ID
	if err := tx.QueryRow(`SELECT id FROM documents WHERE seq = ?`, seq).Scan(&id); err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: byConnector(in.f.Via), Action: action, Subject: id.String(), Detail: detail})
}

// document files a document in the inbox, or the order that it is.
func (in *taking) document(ctx context.Context, d *edxml.Document) (t Taken, err error) {
	o := in.o
	if d.Operation() == edxml.OpRecall || o.listed(d, o.me.Code, "0") {
		return in.order(ctx, d)
	}
	files, refused, err := in.files(ctx)
	switch {
	case err != nil:
		return Taken{}, err
	case refused != nil:
		return in.refuse(ctx, refused)
	}
	original, err := in.whole.Commit()
	if err != nil {
		return Taken{}, storing(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Taken{}, fmt.Errorf("take in message: %w", err)
	}
	now := o.now()
	doc := incoming(Document{ID: id, Box: In, From: Party{d.From.ID, d.From.ID}, State: Arrived, Expires: now.Add(o.limits.Lifetime)}, d)
	for _, f := range files {
		doc.Size += f.content.Size
	}
	var why *i18n.Said
	err = o.db.Update(ctx, func(tx *sqlite.Tx) error {
		t, why, err = in.fileDocument(tx, doc, d, files, original)
		return err
	})
	switch {
	case err != nil:
		return Taken{}, storing(err)
	case why != nil:
		return in.set(ctx, why, &original)
	}
	if t.New {
		if err := o.retake(ctx, in.f.Via, in.sender); err != nil {
			o.complain(ctx, "messages that waited for a document not taken in", err)
		}
	}
	return t, nil
}

// files makes files of the contents. The error is not a fault of the message.
func (in *taking) files(ctx context.Context) (files []file, refused *i18n.Said, err error) {
	refs, err := edxml.Carried(in.full.Skeleton)
	if err != nil {
		return nil, nil, err
	}
	left := in.o.limits.Total
	for i, ref := range refs {
		plain, warnings, err := in.o.unwrapContent(ctx, in.staged.writers[i], ref.Name, min(in.o.limits.File, left))
		var p *problem.Problem
		switch {
		case errors.As(err, &p):
			return nil, i18n.Say("problem."+p.Code, p.Args), nil
		case err != nil:
			return nil, nil, storing(err)
		}
		left -= plain.Size
		name := safeName(ref.Name)
		files = append(files, file{name: name, media: MediaType(name), content: plain})
		in.full.Warnings = append(in.full.Warnings, warnings...)
	}
	return files, nil, nil
}

func (in *taking) fileDocument(tx *sqlite.Tx, doc Document, d *edxml.Document, files []file, original blob.Content) (t Taken, why *i18n.Said, err error) {
	o := in.o
	if t, known, err := takenAs(tx, in.f); in.again == 0 && (err != nil || known) {
		return t, nil, err
	}
	impostor := o.impostor(doc.From.Code)
	if d.Operation() == edxml.OpNew {
		same, other, err := o.filedAlready(tx, doc, files)
		switch {
		case err != nil:
			return Taken{}, nil, err
		case other && impostor == nil:
			return Taken{}, i18n.Say("office.foreign.other-content", i18n.Args{"document": printable(doc.EdXMLID)}), nil
		case same.seq != 0:
			return Taken{Kind: KindDocument, Document: same.ID}, nil, in.keep(tx, same.seq, KindDocument, map[string]string{"again": "true"})
		}
	}
	if impostor != nil {
		return Taken{}, impostor, nil
	}
	doc.Created = tx.Now()
	doc.To = []Recipient{{Party: Party{o.me.Code, o.me.Name}, State: Delivered, Via: in.f.Via}}
	seq, err := insertDocument(tx, doc, len(o.othersOf(d)))
	if err != nil {
		return Taken{}, nil, err
	}
	if err := insertHead(tx, seq, []byte{}, nil); err != nil {
		return Taken{}, nil, err
	}
	for i, f := range files {
		if err := insertAttachment(tx, seq, i, f); err != nil {
			return Taken{}, nil, err
		}
	}
	if err := insertOriginal(tx, seq, &original); err != nil {
		return Taken{}, nil, err
	}
	r := reply{via: in.f.Via, answer: answer{code: edxml.StatusArrived, at: o.now()}}
	if err := o.answered(tx, seq, Delivered, r); err != nil {
		return Taken{}, nil, err
	}
	if err := o.relateIn(tx, seq, &arrival{doc: doc, msg: d, created: tx.Now()}); err != nil {
		return Taken{}, nil, err
	}
	if err := o.planCheck(tx, seq, len(files)); err != nil {
		return Taken{}, nil, err
	}
	return Taken{Kind: KindDocument, Document: doc.ID, New: true}, nil, in.keep(tx, seq, KindDocument, map[string]string{
		"files": strconv.Itoa(len(files)), "size": strconv.FormatInt(doc.Size, 10), "original": hexSum(original.SHA256),
	})
}

// filedAlready looks for the document among those of its sender: the same one,
// or one with the same DocumentId and other content.
func (o *Office) filedAlready(tx *sqlite.Tx, doc Document, files []file) (same row, other bool, err error) {
	rows, err := tx.Query(`SELECT `+documentColumns+` FROM documents WHERE edxml_id = ? AND box = 'in' ORDER BY seq`, doc.EdXMLID)
	if err != nil {
		return row{}, false, err
	}
	defer rows.Close()
	var list []*row
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return row{}, false, err
		}
		if o.isCodeOf(doc.From.Code, r.From.Code) {
			list = append(list, &r)
		}
	}
	if err := rows.Err(); err != nil {
		return row{}, false, err
	}
	if err := fillAttachments(tx, list); err != nil {
		return row{}, false, err
	}
	for _, r := range list {
		if r.Subject == doc.Subject && sameFiles(r.Attachments, files) {
			return *r, false, nil
		}
	}
	return row{}, len(list) > 0, nil
}

func sameFiles(have []Attachment, files []file) bool {
	if len(have) != len(files) {
		return false
	}
	for i, f := range files {
		if have[i].SHA256 != hexSum(f.content.SHA256) {
			return false
		}
	}
	return true
}

// othersOf are the recipients of a message beside this office.
func (o *Office) othersOf(d *edxml.Document) (others []Recipient) {
	for _, to := range d.To {
		if !o.isCodeOf(to.ID, o.me.Code) && utf8.ValidString(to.ID) {
			others = append(others, Recipient{Party: Party{to.ID, to.Name}})
		}
	}
	return others
}

// fillOrigin adds what only the message from outside says.
func (o *Office) fillOrigin(tx *sqlite.Tx, r *row) error {
	var warnings string
	var head []byte
	err := tx.QueryRow(`SELECT ref, warnings, head FROM foreigns WHERE document = ? AND kind = 'document' ORDER BY seq LIMIT 1`, r.seq).
		Scan(&r.Origin.Ref, &warnings, &head)
	if err != nil {
		return fmt.Errorf("load message: %w", err)
	}
	if err := json.Unmarshal([]byte(warnings), &r.Origin.Warnings); err != nil {
		return fmt.Errorf("load warnings: %w", err)
	}
	if r.others == 0 {
		return nil
	}
	msg, err := decodeSkeleton(head)
	if err != nil {
		return err
	}
	r.To = append(r.To, o.othersOf(msg)...)
	return nil
}
