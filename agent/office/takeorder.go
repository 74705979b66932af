package office

import (
	"context"
	"database/sql"
	"errors"

	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/storage/sqlite"
)

// order handles an order to cancel a document that comes from outside in the
// form of a document itself, as [Office.receiveOrder] does one of Trạm.
func (in *taking) order(ctx context.Context, d *edxml.Document) (Taken, error) {
	if why := in.o.impostor(d.From.ID); why != nil {
		return in.refuse(ctx, why)
	}
	return in.fileOnce(ctx, func(tx *sqlite.Tx) (Taken, *i18n.Said, error) { return in.fileOrder(tx, d) })
}

// fileOrder finds what the order is about: a document of the same sender that
// came through the same connector.
func (in *taking) fileOrder(tx *sqlite.Tx, d *edxml.Document) (t Taken, why *i18n.Said, err error) {
	t = Taken{Kind: KindDocument, New: true}
	var seq int64
	err = tx.QueryRow(`SELECT d.seq, d.id FROM documents d JOIN recipients r ON r.document = d.seq
		WHERE d.box = 'in' AND r.via = ? AND lower(d.from_code) = ? AND d.edxml_id = ? ORDER BY d.seq DESC LIMIT 1`,
		in.f.Via, registry.Key(d.From.ID), d.Target()).Scan(&seq, &t.Document)
	if errors.Is(err, sql.ErrNoRows) {
		return Taken{}, noDocument(d.Target(), d.From.ID), nil
	}
	if err != nil {
		return Taken{}, nil, err
	}
	ord := order{from: d.From.ID, edxmlID: d.Target(), reason: cut(d.Business.Reason, MaxReason), at: tx.Now()}
	if d.Business.Staff != nil {
		ord.person = cut(d.Business.Staff.Name, MaxSigner)
	}
	if err := in.takeBack(tx, seq, ord); err != nil {
		return Taken{}, nil, err
	}
	return t, nil, in.keep(tx, seq, KindDocument, map[string]string{"kind": AskRecall})
}

// takeBack puts an order from outside into the track, and before a person while
// there is something to decide.
func (in *taking) takeBack(tx *sqlite.Tx, seq int64, d order) error {
	if d.at.IsZero() {
		d.at = tx.Now()
	}
	r := row{seq: seq}
	if err := tx.QueryRow(`SELECT state FROM documents WHERE seq = ?`, seq).Scan(&r.State); err != nil {
		return err
	}
	if err := fillRequests(tx, []*row{&r}); err != nil {
		return err
	}
	if r.State == Arrived || r.State == Accepted {
		if err := requestRecall(tx, seq, r.Request, d); err != nil {
			return err
		}
	}
	return insertEvent(tx, seq, Event{
		Step: r.State, Code: edxml.StatusTakeBack, Office: in.o.me.Code, At: d.at, Learnt: tx.Now(),
		Note: d.reason, Said: statusNote(edxml.StatusTakeBack, d.reason), Evidence: EvidenceForeign,
	}, 0)
}

// noDocumentKey says that a message is about a document that is not here.
const noDocumentKey = "office.foreign.no-document"

func noDocument(document, code string) *i18n.Said {
	return i18n.Say(noDocumentKey, i18n.Args{"document": printable(document), "code": printable(code)})
}

// retake takes the messages in again that were set aside because they came
// before the document that they are about; only those of one sender and
// connector, or with "" all.
func (o *Office) retake(ctx context.Context, via, sender string) error {
	list, err := o.SetAside(ctx)
	if err != nil {
		return err
	}
	for i := len(list) - 1; i >= 0; i-- { // the oldest first
		a := list[i]
		if a.Why == nil || a.Why.Key != noDocumentKey || !a.Kept || via != "" && (a.Via != via || a.Sender != sender) {
			continue
		}
		f, body, err := o.reopen(ctx, a.ID)
		if err != nil {
			return err
		}
		_, err = o.takeIn(ctx, f, a.ID)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
	}
	return nil
}
