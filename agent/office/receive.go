package office

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// arrival is an incoming document while it is being filed. After a rejection
// it holds what had been found by then.
type arrival struct {
	doc      Document
	others   int
	head     *blob.Content
	verdict  *seal.Verdict
	files    []file
	original *blob.Content // a signed message, from which the files are
	warnings []edxml.Warning
	msg      *edxml.Document
	raw      []byte    // sealed head
	created  time.Time // of the bundle, at the sender
	recalls  bool      // it orders another document to be cancelled, and is none itself
	early    *early    // an order to cancel it that came before it
	answers  []string  // DocumentIds of what it answers
}

// receive files an arrived document and answers with status 01, or records why
// it cannot be filed and answers with 02. Doing so again after a crash finds
// the inbox entry gone or does all of it once.
func (o *Office) receive(ctx context.Context, a queue.Arrived, log *slog.Logger) error {
	known, err := o.filed(ctx, a.ID)
	if err != nil {
		return err
	}
	if known {
		return o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.queue.Done(tx, a.ID) })
	}
	in := &arrival{doc: Document{
		ID: a.ID, Box: In, From: Party{a.From, o.name(a.From)}, Urgency: Urgency(min(a.Urgency, uint8(maxUrgency))),
		Expires: a.Expires, State: Arrived,
	}}
	var refused *rejection
	if err := o.examine(ctx, a, in); errors.As(err, &refused) {
		log.Warn("document rejected", "reason", refused.reason, "error", refused.err)
	} else if err != nil {
		return err
	}
	if refused == nil && in.recalls {
		return o.receiveOrder(ctx, a, in)
	}
	ans := answer{
		to: a.From, of: a.ID, urgency: in.doc.Urgency, code: edxml.StatusArrived, at: o.now(),
	}
	if in.early != nil {
		ans.code, ans.text = edxml.StatusAgreed, i18n.T(i18n.Vietnamese, "office.recall.agreed")
		ans.said = i18n.Say("office.recall.agreed")
		in.doc.State, in.doc.Reason = Recalled, in.early.reason
	}
	if refused != nil {
		why := refused.words()
		ans.code, ans.text, ans.said = edxml.StatusReturned, cut(why.in(i18n.Vietnamese), MaxReason), why.said
		in.doc.State, in.doc.Why = Returned, why.said
		if in.doc.Subject == "" {
			in.doc.Subject = i18n.T(i18n.Vietnamese, "office.unreadable-subject")
		}
	}
	ans.about = about(in.doc)
	r, err := o.reply(ctx, ans)
	if err != nil {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.file(tx, a, in, r, refused) })
}

func (o *Office) filed(ctx context.Context, id storage.ID) (bool, error) {
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		_, err := find(tx, In, id)
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// examine opens, verifies and stores a document. The order matters: nothing of
// the message is believed before its seal is.
func (o *Office) examine(ctx context.Context, a queue.Arrived, in *arrival) error {
	e, err := o.unseal(ctx, a)
	if e.kept != nil { // also with a bad seal, as evidence
		in.head, in.verdict = e.kept, &e.head.Verdict
	}
	if err != nil {
		return err
	}
	d, err := o.readMessage(e.head, e.header.From, in)
	if err != nil {
		return err
	}
	in.msg, in.raw, in.created = d, e.raw, e.header.Created
	if in.recalls = d.Operation() == edxml.OpRecall || o.listed(d, o.me.Code, "0"); in.recalls {
		return nil
	}
	if in.early, err = o.earlyOrder(ctx, a, in); err != nil {
		return err
	}
	if in.early != nil { // what is cancelled before it is here leaves nothing but its trace
		in.head, in.others = nil, 0
		return nil
	}
	return o.takeFiles(ctx, e, d, in)
}

// readMessage reads the sealed message and fills the document in.
func (o *Office) readMessage(head seal.Head, from string, in *arrival) (*edxml.Document, error) {
	msg, warnings, err := edxml.Decode(bytes.NewReader(head.Message))
	var p *problem.Problem
	if errors.As(err, &p) {
		return nil, &rejection{reason: "message", args: i18n.Args{"why": i18n.Say("problem."+p.Code, p.Args)}, err: err}
	}
	if err != nil {
		return nil, err
	}
	d, ok := msg.(*edxml.Document)
	if !ok {
		return nil, reject("message-kind", nil)
	}
	in.warnings = warnings
	for _, r := range d.ResponseFor {
		in.answers = append(in.answers, r.DocumentID)
	}
	in.doc = incoming(in.doc, d)
	in.others = len(d.To) - 1
	in.doc.From.Code = from
	if !o.isCodeOf(d.From.ID, from) {
		in.doc.From = Party{from, o.name(from)}
		return nil, &rejection{reason: "message-sender", args: i18n.Args{"named": d.From.ID, "from": from}}
	}
	return d, nil
}

// incoming fills a document from its message.
func incoming(doc Document, d *edxml.Document) Document {
	if d.From.Name != "" {
		doc.From.Name = d.From.Name
	}
	doc.Subject, doc.Number, doc.Notation, doc.EdXMLID = d.Subject, d.Code.Number, d.Code.Notation, d.ID
	doc.Dossier = carried(d)
	doc.TypeName, doc.Date, doc.Urgency = d.Type.Name, d.Date.ISO(), Urgency(d.Urgency())
	if k, ok := edxml.KindByName(d.Type.Name); ok {
		doc.Type = k.Abbr
	}
	return doc
}

// carried is the one-stop dossier that a message carries, zero for none.
func carried(d *edxml.Document) code.Dossier {
	c, _ := code.Carried(d)
	return c
}

// takeFiles decrypts the attachments into the blob store and compares each
// with what was sealed.
func (o *Office) takeFiles(ctx context.Context, e unsealed, d *edxml.Document, in *arrival) error {
	objects, head := e.attachments(), e.head
	refs, err := edxml.Carried(head.Message)
	if err != nil {
		return reject("message", err) // not reached: the message was read before
	}
	if len(refs) > 0 && len(objects) == 1 && len(head.Files) == 1 && head.Files[0].Name == originalName {
		return o.takeOriginal(ctx, e.opened, objects[0], head, in)
	}
	if len(refs) == 0 {
		refs = d.Manifest
	}
	if len(objects) != len(head.Files) || len(objects) != len(refs) {
		return &rejection{reason: "count", args: i18n.Args{
			"objects": len(objects), "sealed": len(head.Files), "named": len(refs),
		}}
	}
	for i, object := range objects {
		f, sealed := file{entry: head.Files[i].Name, name: safeName(refs[i].Name)}, head.Files[i]
		f.media = MediaType(f.name)
		c, err := o.takeFile(ctx, e.opened, object, sealed)
		if err != nil {
			return ofFile(f.name, err)
		}
		f.content = c
		in.files = append(in.files, f)
		in.doc.Size += c.Size
	}
	return nil
}

// safeName is a foreign file name as it may stand here.
func safeName(name string) string {
	if clean, fault := checkFileName(name); fault == "" {
		return clean
	}
	return seal.SafeName(name, nil)
}

// file writes everything about an arrived document, the answer included.
func (o *Office) file(tx *sqlite.Tx, a queue.Arrived, in *arrival, r reply, refused *rejection) error {
	in.doc.Created = tx.Now()
	me := Recipient{Party: Party{o.me.Code, o.me.Name}, State: Delivered}
	if refused != nil {
		me.State, me.Why = Returned, in.doc.Why
	} else if in.early != nil {
		me.State = Recalled
	}
	in.doc.To = []Recipient{me}
	seq, err := insertDocument(tx, in.doc, max(in.others, 0))
	if err != nil {
		return err
	}
	if err := answersApp(tx, seq, a.From, in.answers); err != nil {
		return err
	}
	if err := insertHead(tx, seq, a.Header, in.head); err != nil {
		return err
	}
	for i, f := range in.files {
		if err := insertAttachment(tx, seq, i, f); err != nil {
			return err
		}
	}
	if err := insertOriginal(tx, seq, in.original); err != nil {
		return err
	}
	if err := o.trackArrival(tx, seq, a, in, r, refused); err != nil {
		return err
	}
	if refused == nil && in.early == nil {
		if err := o.relateIn(tx, seq, in); err != nil {
			return err
		}
	}
	if err := o.planCheck(tx, seq, len(in.files)); err != nil {
		return err
	}
	if err := o.queue.Done(tx, a.ID); err != nil {
		return err
	}
	o.changed(tx)
	e := audit.Entry{Actor: o.me.Code, Action: actionFile, Subject: a.ID.String(), Detail: map[string]string{
		"from": a.From, "files": strconv.Itoa(len(in.files)), "size": strconv.FormatInt(in.doc.Size, 10), "header": hexDigest(a.Header),
	}}
	if refused != nil {
		e.Action, e.Detail["reason"], e.Detail["cause"] = actionReject, refused.reason, cause(refused.err)
	}
	if len(in.warnings) > 0 {
		e.Detail["warnings"] = warningList(in.warnings)
	}
	return audit.Append(tx, e)
}

// trackArrival writes seal and track: sealed by the sender, passed on by the
// neighbour, here.
func (o *Office) trackArrival(tx *sqlite.Tx, seq int64, a queue.Arrived, in *arrival, r reply, refused *rejection) error {
	if v := in.verdict; v != nil {
		if err := insertSeal(tx, seq, Seal{
			Verdict: string(v.Result), Reason: string(v.Reason), Signer: v.Code, Name: v.Name,
			SignedAt: v.SignedAt, Checked: tx.Now(), Issuer: v.Issuer, Serial: v.Serial,
		}); err != nil {
			return err
		}
		if v.Result != seal.Failed {
			if err := insertEvent(tx, seq, Event{
				Step: Saved, At: v.SignedAt, Learnt: tx.Now(), Signer: v.Code, Evidence: EvidenceSeal,
			}, 0); err != nil {
				return err
			}
		}
	}
	// The hub's own receipt went to the sender. What this office knows is that
	// the document came from the hub.
	if o.isHub(a.Peer) {
		if err := insertEvent(tx, seq, Event{Step: AtHub, At: a.At, Learnt: tx.Now()}, 0); err != nil {
			return err
		}
	}
	step := Delivered
	switch {
	case refused != nil:
		step = Returned
	case in.early != nil:
		step = Recalled
		if err := o.meetEarly(tx, seq, in.early); err != nil {
			return err
		}
	}
	return o.answered(tx, seq, step, r)
}

// warningList is warnings in a form for the audit log.
func warningList(list []edxml.Warning) string {
	var b strings.Builder
	for _, w := range list {
		fmt.Fprintf(&b, "%s %s %q; ", w.Code, w.Field, w.Value)
		if b.Len() > 4000 {
			break
		}
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// sealedHead is the stored head of a document.
type sealedHead struct {
	header  []byte
	content blob.Content
	ok      bool
}

// readHead loads a stored head.
func (o *Office) readHead(h sealedHead) ([]byte, error) {
	r, err := o.blobs.Reader(h.content)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	defer r.Close()
	return io.ReadAll(r)
}

// fillOthers takes the recipients that are not in the table from the sealed
// message: of a circular each office stores itself alone.
func (o *Office) fillOthers(d *Document, h sealedHead) error {
	if !h.ok {
		return nil
	}
	m, err := o.sealedMessage(h)
	if err != nil || m == nil {
		return err
	}
	for _, to := range m.To {
		if !o.isCodeOf(to.ID, o.me.Code) && utf8.ValidString(to.ID) {
			d.To = append(d.To, Recipient{Party: Party{to.ID, to.Name}})
		}
	}
	return nil
}

// sealedMessage reads the document in a head, nil when it holds another message.
func (o *Office) sealedMessage(h sealedHead) (*edxml.Document, error) {
	raw, err := o.readHead(h)
	if err != nil {
		return nil, err
	}
	head, err := seal.OpenHead(raw, identity.Pool(*o.issuers.Load()), o.now())
	if err != nil {
		return nil, err
	}
	msg, _, err := edxml.Decode(bytes.NewReader(head.Message))
	if err != nil {
		return nil, err
	}
	m, _ := msg.(*edxml.Document)
	return m, nil
}

// Message returns the message of a document as its sender sealed it, or as it came from
// outside of Trạm; [storage.ErrNotFound] when the document could not be opened.
func (o *Office) Message(ctx context.Context, id storage.ID) (*edxml.Document, error) {
	var h sealedHead
	var foreign []byte
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		r, err := getRow(tx, id)
		if err != nil {
			return err
		}
		if r.Box == In {
			err = tx.QueryRow(`SELECT head FROM foreigns WHERE document = ? AND kind = 'document' ORDER BY seq LIMIT 1`, r.seq).Scan(&foreign)
			if err == nil || !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		h, err = getHead(tx, r.seq)
		return notFoundAs(storage.ErrNotFound, err)
	})
	var m *edxml.Document
	switch {
	case err != nil:
	case foreign != nil:
		m, err = decodeSkeleton(foreign)
	case h.ok:
		m, err = o.sealedMessage(h)
	}
	if err == nil && m == nil {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return m, nil
}
