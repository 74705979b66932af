package office

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/storage"
	"tram/storage/sqlite"
)

// Types of entries about one-stop dossiers.
const (
	DossierFiled    EntryType = "dossier.filed"    // registered here
	DossierArrived  EntryType = "dossier.arrived"  // handed over by another office
	DossierAccepted EntryType = "dossier.accepted" // taken in: its clock runs
	DossierStatus   EntryType = "dossier.status"   // any other change of its status
	DossierFinished EntryType = "dossier.finished" // there is a result
	DossierReturned EntryType = "dossier.returned" // the applicant has it
	DossierExtended EntryType = "dossier.extended" // a new date of return
	DossierLinked   EntryType = "dossier.linked"   // a document was drafted for it
	DossierNoted    EntryType = "dossier.noted"    // anything else; its status stays
)

// DossierTypes are all of them, in the order above.
var DossierTypes = []EntryType{
	DossierFiled, DossierArrived, DossierAccepted, DossierStatus, DossierFinished, DossierReturned, DossierExtended, DossierLinked, DossierNoted,
}

// Notice is something that happened to a one-stop dossier, for the feed. It has no
// personal data.
type Notice struct {
	Type    EntryType
	Dossier storage.ID
	Code    string // mã hồ sơ
	App     string // that filed it, "" for none
	Office  string // where it happened
	At      time.Time
	News    DossierNews
}

// DossierNews is what an entry about a dossier says of it.
type DossierNews struct {
	Kind   string    `json:"kind"`   // what happened, such as "supplement-asked"
	Status int       `json:"status"` // since then, as the national portal counts
	Due    time.Time `json:"due,omitzero"`
}

// OfDossier tells whether an entry is about a dossier: Document is its ID then, and
// EdXMLID its code.
func (e Entry) OfDossier() bool { return strings.HasPrefix(string(e.Type), "dossier.") }

// Announce puts a notice behind all that is in the feed, within the transaction that
// makes it true (P1).
func (o *Office) Announce(tx *sqlite.Tx, n Notice) error {
	_, err := tx.Exec(`INSERT INTO notices (place, type, dossier, code, app, kind, status, due, office, at, learnt)
		VALUES ((SELECT coalesce(max(seq), 0) FROM events), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(n.Type), n.Dossier, n.Code, n.App, n.News.Kind, n.News.Status, sqlite.MillisOrZero(n.News.Due), n.Office, n.At, tx.Now())
	if err != nil {
		return fmt.Errorf("announce change of dossier: %w", err)
	}
	o.changed(tx)
	return nil
}

func lastNotice(tx *sqlite.Tx) (seq int64, err error) {
	return seq, tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM notices`).Scan(&seq)
}

// placed is an entry with its place in the feed.
type placed struct {
	Entry
	at feedPlace
}

// notices reads those behind a place: their places only grow.
func (o *Office) notices(tx *sqlite.Tx, after feedPlace, app string, limit int) (list []placed, err error) {
	seq := after.notice
	if seq == 0 {
		err := tx.QueryRow(`SELECT coalesce((SELECT seq FROM notices WHERE place < ? ORDER BY place DESC, seq DESC LIMIT 1), 0)`, after.event).Scan(&seq)
		if err != nil {
			return nil, err
		}
	}
	where, args := ``, []any{seq}
	if app != "" {
		where, args = `AND app <> '' AND app = ?`, append(args, app)
	}
	rows, err := tx.Query(`SELECT seq, place, type, dossier, code, kind, status, due, office, at, learnt FROM notices WHERE seq > ? `+where+` ORDER BY seq LIMIT ?`,
		append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p placed
		var n DossierNews
		var due int64
		if err := rows.Scan(&p.at.notice, &p.at.event, &p.Type, &p.Document, &p.EdXMLID, &n.Kind, &n.Status, &due, &p.Office,
			sqlite.Timestamp(&p.At), sqlite.Timestamp(&p.Learnt)); err != nil {
			return nil, err
		}
		n.Due = sqlite.TimeOrZero(due)
		p.Dossier = &n
		list = append(list, p)
	}
	return list, rows.Err()
}

// merged puts two lists that are in their orders into one, at most limit long.
func merged(events, notices []placed, limit int) []placed {
	all := slices.Concat(events, notices)
	slices.SortStableFunc(all, func(a, b placed) int { return a.at.compare(b.at) })
	return all[:min(len(all), limit)]
}
