package office

import (
	"context"
	"errors"
	"slices"
	"strings"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// receivers are the offices that an update removes and that are asked to cancel
// the earlier document, and those that the message goes to: an office that is
// removed gets no new content, one that is added does, whether the message names
// it among its recipients or not. Of an earlier document that is not here the
// message itself tells those who are removed.
func (in *importing) receivers() (removed, to []string) {
	d := in.doc
	if d.Operation() == edxml.OpUpdate && d.Business.Update != nil {
		for _, r := range d.Business.Update.Receivers {
			switch strings.TrimSpace(r.Type) {
			case "0":
				if !in.known {
					continue
				}
				removed = append(removed, r.OrganID)
			case "1":
				to = append(to, r.OrganID)
			}
		}
	}
	var named []string
	for _, organ := range d.To {
		if !slices.ContainsFunc(removed, func(code string) bool { return in.o.isCodeOf(organ.ID, code) }) {
			named = append(named, organ.ID)
		}
	}
	return removed, append(named, to...)
}

// recall asks recipients to cancel a document of this office that the message
// names by its DocumentId: removed, or those of its recipients whom the message
// is addressed to. The answer is that of a status 13, which it amounts to.
func (in *importing) recall(ctx context.Context, target string, removed []string) (Imported, error) {
	o := in.o
	if !o.isCodeOf(in.doc.From.ID, o.me.Code) {
		in.fault("import.not-ours", "From", i18n.Args{"code": printable(in.doc.From.ID), "ours": o.me.Code})
	}
	if err := in.faults.Err(); err != nil {
		return Imported{}, err
	}
	doc, err := o.outgoingOf(ctx, target)
	if errors.Is(err, storage.ErrNotFound) {
		return Imported{}, problem.New(problem.NotFound, "import.no-outgoing", "DocumentId", i18n.Args{"document": printable(target)})
	}
	if err != nil {
		return Imported{}, err
	}
	if err := in.h.permit(ctx, KindStatus, doc); err != nil {
		return Imported{}, err
	}
	to := removed
	if removed == nil {
		to = in.concerned(doc)
	}
	reason := cut(in.doc.Business.Reason, MaxReason)
	done := Imported{Kind: KindStatus, Code: edxml.StatusTakeBack, Document: doc, Warnings: []edxml.Warning{}}
	for _, w := range in.full.Warnings {
		if w.Code != edxml.WarnNoFiles { // a recall needs none
			done.Warnings = append(done.Warnings, w)
		}
	}
	if in.h.Try {
		_, _, _, err := o.recallable(ctx, doc.ID, to, reason)
		return done, err
	}
	done.Document, err = o.Recall(ctx, doc.ID, to, reason, strings.TrimSpace(in.h.By))
	done.Changed = err == nil && asksOf(doc) != asksOf(done.Document)
	return done, err
}

// concerned are the offices that a recall is addressed to, nil when these are all
// recipients of the document.
func (in *importing) concerned(doc Document) []string {
	var codes []string
	seen := map[string]bool{}
	for _, organ := range in.doc.To {
		codes = append(codes, organ.ID)
		if to, ok := in.recipientOf(doc, organ.ID); ok {
			seen[to.Code] = true
		}
	}
	if len(seen) == len(doc.To) && len(codes) == len(doc.To) {
		return nil
	}
	return codes
}

// earlierOf finds what an update or a replacement is about. An earlier document
// that this office sent before it had Trạm is linked by its DocumentId alone.
func (in *importing) earlierOf(ctx context.Context, l *letter) error {
	kind, ids := namedBy(in.doc)
	if kind == "" {
		return nil
	}
	x := &change{kind: kind, reason: cut(in.doc.Business.Reason, MaxReason)}
	if len(ids) == 0 {
		in.fault("change.nothing", "DocumentId", nil)
	}
	for _, id := range ids {
		doc, err := in.o.outgoingOf(ctx, id)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			x.unknown = append(x.unknown, id)
		case err != nil:
			return err
		default:
			in.earlier(x, doc, "DocumentId")
		}
	}
	removed, _ := in.receivers()
	if x.reason == "" && len(removed) > 0 {
		x.reason = i18n.T(i18n.Vietnamese, "office.change.removed")
	}
	in.review.receivers(x, l, removed)
	l.change = x
	return nil
}

// outgoingOf finds a document that this office has sent by its DocumentId.
// storage.ErrNotFound when there is none. Of several the latest counts.
func (o *Office) outgoingOf(ctx context.Context, edxmlID string) (Document, error) {
	var id storage.ID
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		return notFoundAs(storage.ErrNotFound,
			tx.QueryRow(`SELECT id FROM documents WHERE edxml_id = ? AND box = 'out' ORDER BY seq DESC LIMIT 1`, edxmlID).Scan(&id))
	})
	if err != nil {
		return Document{}, err
	}
	return o.Get(ctx, id)
}
