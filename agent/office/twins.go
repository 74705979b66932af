package office

import (
	"database/sql"
	"slices"
	"time"

	"tram/agent/edxml"
	"tram/agent/fold"
	"tram/agent/i18n"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/sqlite"
)

// Twin is an earlier incoming document that another one may be the same as: both
// have the same DocumentId, or number, notation and issuing office.
type Twin struct {
	ID      storage.ID `json:"id"`
	Arrival int        `json:"arrival,omitempty"` // số đến, 0 while it is not accepted
	Day     time.Time  `json:"day"`               // of the acceptance, or of the arrival before that
	Symbol  string     `json:"symbol"`            // số, ký hiệu
	Subject string     `json:"subject"`
}

// words name a twin as a clerk looks it up.
func (t Twin) words() *i18n.Said {
	day := register.Day(t.Day.In(edxml.Vietnam))
	if t.Arrival == 0 {
		return i18n.Say("office.twin.arrived", i18n.Args{"symbol": t.Symbol, "date": day})
	}
	return i18n.Say("office.twin.accepted", i18n.Args{"number": t.Arrival, "date": day})
}

// In words a twin for a reader.
func (t Twin) In(lang i18n.Lang) string { return t.words().Text(lang) }

// maxTwins is how many earlier documents are named, and looked at.
const (
	maxTwins = 5
	mostSame = 100
)

// twinOf is what a document is compared by.
type twinOf struct {
	edxmlID string
	code    edxml.Code
	from    Party
	before  int64 // row of the document, 0 for one that is not here yet
}

// twins finds the earlier incoming documents that one may be the same as. One
// that was returned is left out: the same comes again, put right.
func (o *Office) twins(tx *sqlite.Tx, of twinOf) ([]Twin, error) {
	list, err := scanTwins(tx, `SELECT d.id, d.arrival, coalesce((SELECT min(at) FROM events WHERE document = d.seq AND step = 'accepted'), d.created),
			d.number, d.notation, d.subject, d.from_code, d.from_name
		FROM documents d
		WHERE d.box = 'in' AND d.state <> 'returned' AND (?1 = 0 OR d.seq < ?1) AND d.seq IN (
			SELECT seq FROM documents WHERE ?2 <> '' AND edxml_id = ?2
			UNION SELECT seq FROM documents WHERE code_key <> '' AND code_key = ?3)
		ORDER BY d.seq DESC LIMIT ?4`, of.before, of.edxmlID, codeKey(of.code.Number, of.code.Notation), mostSame)
	if err != nil {
		return nil, err
	}
	var twins []Twin
	for _, t := range slices.Backward(list) {
		if o.sameIssuer(t.from, of.from) {
			twins = append(twins, t.Twin)
		}
	}
	return twins[:min(len(twins), maxTwins)], nil
}

// candidate is a twin with what is compared.
type candidate struct {
	Twin
	from Party
	code edxml.Code
}

func scanTwins(tx *sqlite.Tx, query string, args ...any) (list []candidate, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c candidate
		err := rows.Scan(&c.ID, &c.Arrival, sqlite.Timestamp(&c.Day), &c.code.Number, &c.code.Notation, &c.Subject, &c.from.Code, &c.from.Name)
		if err != nil {
			return nil, err
		}
		c.Symbol = c.code.String()
		list = append(list, c)
	}
	return list, rows.Err()
}

// sameIssuer tells whether two parties are one office: by code, today's or an
// earlier one, or by name when one of them has no code.
func (o *Office) sameIssuer(a, b Party) bool {
	if a.Code != "" && b.Code != "" {
		return o.isCodeOf(a.Code, b.Code) || o.isCodeOf(b.Code, a.Code)
	}
	return a.Name != "" && fold.String(a.Name) == fold.String(b.Name)
}

// fillTwins finds what an incoming document may be the same as. One that it
// updates or replaces is not among them.
func (o *Office) fillTwins(tx *sqlite.Tx, r *row) error {
	if r.Box != In || r.State == Returned {
		return nil
	}
	twins, err := o.twins(tx, twinOf{
		edxmlID: r.EdXMLID, code: edxml.Code{Number: r.Number, Notation: r.Notation}, from: r.From, before: r.seq,
	})
	r.Twins = slices.DeleteFunc(twins, func(t Twin) bool {
		return slices.ContainsFunc(r.Links, func(l Link) bool { return l.ID == t.ID })
	})
	return err
}

// fillPapers reads what stands beside paper documents.
func fillPapers(tx *sqlite.Tx, list []*row) error {
	return each(tx, list, `SELECT document, signer, copies, arrived FROM papers WHERE document IN (?)`,
		func(rows *sql.Rows, bySeq map[int64]*row) error {
			var seq int64
			var p PaperFacts
			if err := rows.Scan(&seq, &p.Signer, &p.Copies, &p.Arrived); err != nil {
				return err
			}
			bySeq[seq].Paper = &p
			return nil
		})
}
