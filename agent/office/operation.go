package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// Changes says what a new document does to earlier ones of this office. The
// zero value is nothing.
type Changes struct {
	Replaces []storage.ID // outgoing documents that it takes the place of
	Updates  storage.ID   // outgoing document that it updates
	Removed  []string     // recipients of the updated document that are to cancel it
	Reason   string       // needed with either
}

func (c Changes) none() bool {
	return len(c.Replaces) == 0 && c.Updates == (storage.ID{}) && len(c.Removed) == 0 && c.Reason == ""
}

// Kinds of relations between documents.
const (
	kindUpdate  = "update"
	kindReplace = "replace"
)

// maxRelations is how many earlier documents one may replace, and how many of a
// message are looked at.
const maxRelations = 64

// LinkKind says what a linked document is to the one that has the [Link].
type LinkKind string

// The kinds.
const (
	Updates    LinkKind = "updates"
	UpdatedBy  LinkKind = "updated-by"
	Replaces   LinkKind = "replaces"
	ReplacedBy LinkKind = "replaced-by"
	Answers    LinkKind = "answers"
	AnsweredBy LinkKind = "answered-by"
)

// Link is another document that a document updates, replaces or answers, or that
// does so to it.
type Link struct {
	Kind    LinkKind   `json:"kind"`
	ID      storage.ID `json:"id"`            // zero while it is not here
	Box     Box        `json:"box,omitempty"` // "" while it is not here
	EdXMLID string     `json:"edxml_id"`      // DocumentId
	Symbol  string     `json:"symbol"`        // số, ký hiệu; "" while it is not here
	Subject string     `json:"subject"`
	Date    string     `json:"date"`
	Reason  string     `json:"reason"`
	// Waits says of an incoming update that nobody has agreed to it: none asked,
	// or one that was refused, links nothing.
	Waits bool `json:"waits,omitempty"`
}

// change is what a checked letter does to earlier documents.
type change struct {
	kind    string
	reason  string
	earlier []Document // that are here
	unknown []string   // DocumentIds of those that are not
	removed []string   // codes of recipients that are to cancel it
	added   []string   // codes of those that did not have it
}

// same reports whether a document is one of the earlier ones: only those may
// bear the same number.
func (x *change) same(id storage.ID) bool {
	return x != nil && slices.ContainsFunc(x.earlier, func(d Document) bool { return d.ID == id })
}

// changes checks what a draft does to earlier documents. The error is not a
// fault of the draft.
func (r *review) changes(ctx context.Context, c Changes, l *letter) error {
	if c.none() {
		return nil
	}
	x := &change{kind: kindReplace, reason: r.words("change_reason", c.Reason, MaxReason)}
	ids, field := c.Replaces, "replaces"
	if c.Updates != (storage.ID{}) {
		x.kind, ids, field = kindUpdate, []storage.ID{c.Updates}, "updates"
		if len(c.Replaces) > 0 {
			r.fault("change.both", "replaces", nil)
		}
	}
	switch {
	case len(ids) == 0:
		r.fault("change.nothing", "updates", nil)
	case len(ids) > maxRelations:
		r.fault("change.too-many", field, i18n.Args{"limit": maxRelations})
		return nil
	case x.reason == "" && strings.TrimSpace(c.Reason) == "":
		r.fault("change.no-reason", "change_reason", nil)
	}
	if len(c.Removed) > 0 && x.kind != kindUpdate {
		r.fault("change.removed", "removed", nil)
	}
	for _, id := range ids {
		if slices.ContainsFunc(x.earlier, func(d Document) bool { return d.ID == id }) {
			continue
		}
		doc, err := r.o.Get(ctx, id)
		if err != nil {
			var p *problem.Problem
			if errors.As(err, &p) {
				r.fault("change.unknown", field, i18n.Args{"id": id.String()})
				continue
			}
			return err
		}
		r.earlier(x, doc, field)
	}
	r.receivers(x, l, c.Removed)
	l.change = x
	return nil
}

// earlier takes a document that is updated or replaced.
func (r *review) earlier(x *change, doc Document, field string) {
	args := i18n.Args{"number": symbolOf(doc)}
	switch {
	case doc.Box != Out:
		r.fault("change.incoming", field, args)
	case doc.State == Withdrawn:
		r.fault("change.withdrawn", field, args)
	case doc.State == Recalled && x.kind == kindUpdate:
		r.fault("change.recalled", field, args)
	default:
		x.earlier = append(x.earlier, doc)
	}
}

// receivers compares the recipients of an update with those of the document
// that it updates.
func (r *review) receivers(x *change, l *letter, removed []string) {
	if x.kind != kindUpdate || len(x.earlier) == 0 {
		return
	}
	old := x.earlier[0]
	for _, code := range removed {
		to, ok := r.recipientOf(old, code)
		if !ok {
			r.fault("recall.no-recipient", "removed", i18n.Args{"code": printable(code)})
			continue
		}
		if slices.ContainsFunc(l.to, func(c registry.Card) bool { return registry.Key(c.Code) == registry.Key(to.Code) }) {
			r.fault("change.removed-recipient", "removed", i18n.Args{"code": to.Code, "name": to.Name})
			continue
		}
		if to.State != Returned && to.State != Failed && !slices.Contains(x.removed, to.Code) {
			x.removed = append(x.removed, to.Code)
		}
	}
	for _, c := range l.to {
		if _, had := r.recipientOf(old, c.Code); !had {
			x.added = append(x.added, c.Code)
		}
	}
}

func symbolOf(d Document) string { return edxml.Code{Number: d.Number, Notation: d.Notation}.String() }

// business is the Bussiness element of a new document.
func (x *change) business(l letter) *edxml.Business {
	b := &edxml.Business{
		Operation: edxml.OpNew, Reason: reasonNew, Paper: "0", Staff: &edxml.Staff{Department: clerkDepartment, Name: l.by},
	}
	if x == nil {
		return b
	}
	b.Reason = x.reason
	if x.kind == kindReplace {
		b.Operation = edxml.OpReplace
		for _, d := range x.earlier {
			b.Replacements = append(b.Replacements, edxml.Replacement{DocumentID: d.EdXMLID, OrganIDs: l.shared(d)})
		}
		return b
	}
	b.Operation, b.DocumentID = edxml.OpUpdate, x.earlier[0].EdXMLID
	b.Update = &edxml.Update{Content: "1", Recipients: "0"}
	for _, code := range x.removed {
		b.Update.Receivers = append(b.Update.Receivers, edxml.Receiver{OrganID: code, Type: "0"})
	}
	for _, code := range x.added {
		b.Update.Receivers = append(b.Update.Receivers, edxml.Receiver{OrganID: code, Type: "1"})
	}
	if len(b.Update.Receivers) > 0 {
		b.Update.Recipients = "1"
	}
	return b
}

// shared are the recipients that have an earlier document too.
func (l letter) shared(earlier Document) []string {
	var codes []string
	for _, c := range l.to {
		if slices.ContainsFunc(earlier.To, func(r Recipient) bool { return registry.Key(r.Code) == registry.Key(c.Code) }) {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// relateOut links a new outgoing document to those that it updates or replaces,
// notes whose agreement it waits for, and asks those that are removed to cancel.
func (o *Office) relateOut(tx *sqlite.Tx, seq int64, l letter) error {
	x := l.change
	if x == nil {
		return nil
	}
	for _, id := range x.unknown {
		if err := insertRelation(tx, seq, x.kind, id, x.reason, 0); err != nil {
			return err
		}
	}
	for _, d := range x.earlier {
		target, err := find(tx, Out, d.ID)
		if err != nil {
			return err
		}
		if err := insertRelation(tx, seq, x.kind, d.EdXMLID, x.reason, target); err != nil {
			return err
		}
		if err := noteRelation(tx, target, x.kind, l.code.String(), l.date.ISO()); err != nil {
			return err
		}
		if x.kind == kindUpdate {
			if err := noteUpdated(tx, seq, l, d); err != nil {
				return err
			}
		}
		if len(x.removed) > 0 {
			if _, err := o.ask(tx, target, d.ID, x.removed, x.reason, l.by); err != nil {
				return err
			}
		}
		err = audit.Append(tx, audit.Entry{Actor: o.actor(l.by), Action: actionRelate, Subject: d.ID.String(), Detail: map[string]string{
			"kind": x.kind, "by": l.code.String(), "reason": x.reason,
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// noteUpdated notes that the recipients who have the earlier document are to
// agree to the update.
func noteUpdated(tx *sqlite.Tx, seq int64, l letter, earlier Document) error {
	for _, code := range l.shared(earlier) {
		_, err := tx.Exec(`INSERT INTO asks (document, kind, code_key, reason, actor, at, state) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			seq, AskUpdate, registry.Key(code), l.change.reason, l.by, tx.Now(), string(Asked))
		if err != nil {
			return fmt.Errorf("note update: %w", err)
		}
	}
	return nil
}

func insertRelation(tx *sqlite.Tx, seq int64, kind, edxmlID, reason string, target int64) error {
	var row any
	if target > 0 {
		row = target
	}
	_, err := tx.Exec(`INSERT OR IGNORE INTO relations (document, kind, edxml_id, reason, target) VALUES (?, ?, ?, ?, ?)`, seq, kind, edxmlID, reason, row)
	if err != nil {
		return fmt.Errorf("link documents: %w", err)
	}
	return nil
}

// noteRelation adds to the track of the earlier document that there is a later
// one.
func noteRelation(tx *sqlite.Tx, target int64, kind, number, date string) error {
	e := Event{At: tx.Now(), Learnt: tx.Now(), Said: i18n.Say("office.change."+kind, i18n.Args{"number": number, "date": date})}
	if err := tx.QueryRow(`SELECT state FROM documents WHERE seq = ?`, target).Scan(&e.Step); err != nil {
		return err
	}
	return insertEvent(tx, target, e, 0)
}

// named are the DocumentIds that a message updates or replaces.
func namedBy(d *edxml.Document) (kind string, ids []string) {
	switch d.Operation() {
	case edxml.OpUpdate:
		kind, ids = kindUpdate, []string{d.Target()}
	case edxml.OpReplace:
		kind = kindReplace
		for _, r := range d.Business.Replacements {
			ids = append(ids, r.DocumentID)
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	return kind, ids[:min(len(ids), maxRelations)]
}

// received reports whether a message lists an office with a ReceiverType: "0"
// removed, "1" added.
func (o *Office) listed(d *edxml.Document, code, kind string) bool {
	if d.Operation() != edxml.OpUpdate || d.Business.Update == nil {
		return false
	}
	return slices.ContainsFunc(d.Business.Update.Receivers, func(r edxml.Receiver) bool {
		return strings.TrimSpace(r.Type) == kind && o.isCodeOf(r.OrganID, code)
	})
}

// relateIn links a document that has come to those that it updates, replaces or answers,
// and to those that came before it and name it. Only the office that issued a
// document may update or replace it (P7).
func (o *Office) relateIn(tx *sqlite.Tx, seq int64, in *arrival) error {
	number := symbolOf(in.doc)
	kind, ids := namedBy(in.msg)
	for _, id := range ids {
		target, err := o.earlierIn(tx, seq, id, in.doc.From.Code)
		if err != nil {
			return err
		}
		if err := insertRelation(tx, seq, kind, id, cut(in.msg.Business.Reason, MaxReason), target); err != nil {
			return err
		}
		if target > 0 {
			if err := noteRelation(tx, target, kind, number, in.doc.Date); err != nil {
				return err
			}
		}
	}
	if kind == kindUpdate && len(ids) > 0 && !o.listed(in.msg, o.me.Code, "1") {
		if _, err := insertRequest(tx, seq, AskUpdate, RequestPending, updateOf(in, ids[0])); err != nil {
			return err
		}
	}
	return errors.Join(o.awaited(tx, seq, in.doc), o.relateReplies(tx, seq, in.doc, answeredIn(in.msg)))
}

// updateOf is an update as a request.
func updateOf(in *arrival, target string) order {
	d := order{from: in.doc.From.Code, edxmlID: target, reason: cut(in.msg.Business.Reason, MaxReason), at: in.created}
	if in.msg.Business.Staff != nil {
		d.person = cut(in.msg.Business.Staff.Name, MaxSigner)
	}
	return d
}

// earlierIn finds an incoming document of an office by its DocumentId, 0 for
// none. Of several the latest counts.
func (o *Office) earlierIn(tx *sqlite.Tx, but int64, edxmlID, from string) (int64, error) {
	rows, err := tx.Query(`SELECT seq, from_code FROM documents WHERE edxml_id = ? AND box = 'in' AND seq <> ? ORDER BY seq DESC`, edxmlID, but)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var code string
		if err := rows.Scan(&seq, &code); err != nil {
			return 0, err
		}
		if o.isCodeOf(code, from) {
			return seq, nil
		}
	}
	return 0, rows.Err()
}

// awaited links a document that has come to later ones that came first.
func (o *Office) awaited(tx *sqlite.Tx, seq int64, doc Document) error {
	if doc.EdXMLID == "" {
		return nil
	}
	type later struct {
		seq                  int64
		kind, from           string
		number, symbol, date string
	}
	var list []later
	rows, err := tx.Query(`SELECT d.seq, r.kind, d.from_code, d.number, d.notation, d.date FROM relations r JOIN documents d ON d.seq = r.document
		WHERE r.edxml_id = ? AND r.target IS NULL AND d.box = 'in' AND d.seq <> ?`, doc.EdXMLID, seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var l later
		if err := rows.Scan(&l.seq, &l.kind, &l.from, &l.number, &l.symbol, &l.date); err != nil {
			return err
		}
		list = append(list, l)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, l := range list {
		if !o.isCodeOf(l.from, doc.From.Code) {
			continue
		}
		if _, err := tx.Exec(`UPDATE relations SET target = ? WHERE document = ? AND edxml_id = ?`, seq, l.seq, doc.EdXMLID); err != nil {
			return fmt.Errorf("link documents: %w", err)
		}
		if err := noteRelation(tx, seq, l.kind, edxml.Code{Number: l.number, Notation: l.symbol}.String(), l.date); err != nil {
			return err
		}
	}
	return nil
}

// fillLinks reads what documents update or replace, and what does so to them.
// What was returned, withdrawn or recalled does nothing to another document.
func fillLinks(tx *sqlite.Tx, list []*row) error {
	add := func(kinds map[string]LinkKind) func(*sql.Rows, map[int64]*row) error {
		return func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var kind, number, notation string
			var l Link
			if err := rows.Scan(&seq, &kind, &l.EdXMLID, &l.Reason, &l.ID, &number, &notation, &l.Subject, &l.Date, &l.Waits, &l.Box); err != nil {
				return err
			}
			l.Kind, l.Symbol = kinds[kind], edxml.Code{Number: number, Notation: notation}.String()
			bySeq[seq].Links = append(bySeq[seq].Links, l)
			return nil
		}
	}
	return errors.Join(
		fillReplies(tx, list),
		each(tx, list, `SELECT r.document, r.kind, r.edxml_id, r.reason, coalesce(d.id, zeroblob(16)), coalesce(d.number, ''), coalesce(d.notation, ''),
				coalesce(d.subject, ''), coalesce(d.date, ''), 0, coalesce(d.box, '') FROM relations r LEFT JOIN documents d ON d.seq = r.target
			WHERE r.document IN (?) ORDER BY r.document, r.edxml_id`,
			add(map[string]LinkKind{kindUpdate: Updates, kindReplace: Replaces})),
		each(tx, list, `SELECT r.target, r.kind, d.edxml_id, r.reason, d.id, d.number, d.notation, d.subject, d.date,
				EXISTS (SELECT 1 FROM requests q WHERE q.document = d.seq AND q.kind = 'update' AND q.state = 'pending'), d.box
			FROM relations r JOIN documents d ON d.seq = r.document
			WHERE r.target IN (?) AND d.state NOT IN ('withdrawn', 'recalled') AND NOT (d.box = 'in' AND d.state = 'returned')
				AND NOT EXISTS (SELECT 1 FROM requests q WHERE q.document = d.seq AND q.kind = 'update' AND q.state = 'refused')
			ORDER BY d.seq`,
			add(map[string]LinkKind{kindUpdate: UpdatedBy, kindReplace: ReplacedBy})))
}
