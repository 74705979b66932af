package office

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tram/agent/docsign"
	"tram/storage/sqlite"
)

// MaxSuspects is how many senders Suspects names.
const MaxSuspects = 8

// Suspect is a sender whose documents were sent back at their arrival, because of their
// seal or of what it covers, or came with signatures that failed.
type Suspect struct {
	Sender string    // office code
	Count  int       // of such documents
	Last   time.Time // when the last one came
}

// rejectedMark begins the reason of a document that was sent back at its arrival.
const rejectedMark = saidMark + `{"code":"office.reject.`

// Suspects lists such senders of documents that came since then, those with the most
// first and at most [MaxSuspects]. Of several checks of an attachment the newest counts.
func (o *Office) Suspects(ctx context.Context, since time.Time) (list []Suspect, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, f *Suspect) error {
			return rows.Scan(&f.Sender, &f.Count, sqlite.Timestamp(&f.Last))
		}, `SELECT d.from_code, count(*), max(d.created) FROM documents d
			WHERE d.box = 'in' AND d.created >= ?1 AND (
				instr(d.reason, ?2) = 1
				OR EXISTS (SELECT 1 FROM checks c WHERE c.document = d.seq AND c.verdict = ?3 AND NOT EXISTS (
					SELECT 1 FROM checks n WHERE n.document = c.document AND n.attachment = c.attachment AND n.seq > c.seq)))
			GROUP BY d.from_code ORDER BY 2 DESC, 1 LIMIT ?4`, since, rejectedMark, string(docsign.VerdictFailed), MaxSuspects)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list senders of failed signatures: %w", err)
	}
	return list, nil
}
