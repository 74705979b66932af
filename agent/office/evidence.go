package office

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/tsa"
	"tram/storage"
	"tram/storage/sqlite"
)

// A document's evidence is what others testify about it: sealed records of the
// hubs on its way (package evidence) and time stamps on its seal. Each is
// checked before it is kept, and shown in the track with who signed it.

//go:embed evidence/*.sql
var evidenceFiles embed.FS

// EvidenceSchema is the tables of evidence, beside those of [Schema].
var EvidenceSchema = func() sqlite.Schema {
	files, err := fs.Sub(evidenceFiles, "evidence")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sqlite.Schema{Name: "evidence", Files: files}
}()

// What stands behind an event, beside those of a document's own life.
const (
	EvidenceRecord = "evidence" // sealed record of a hub
	EvidenceStamp  = "stamp"    // time stamp
)

// externalAuthority stands for a time stamp authority that is no hub.
const externalAuthority = "tsa"

// stamped is a time stamp in a notice.
type stamped struct {
	Document storage.ID `json:"document"`
	Token    []byte     `json:"token"`
}

// rejected is a piece of evidence that does not hold, for the audit log.
type rejected struct{ err error }

func (r *rejected) Error() string { return r.err.Error() }

// fileTestimony keeps what a hub's notice testifies. What does not hold is left
// out and told in bad; nothing of it is believed.
func (o *Office) fileTestimony(tx *sqlite.Tx, from string, n notice) (kept int, bad []error, err error) {
	note := func(err error) error {
		var r *rejected
		switch {
		case err == nil:
			kept++
		case errors.As(err, &r):
			bad = append(bad, r.err)
		default:
			return err
		}
		return nil
	}
	for _, head := range n.Evidence {
		if err := note(o.fileRecord(tx, head)); err != nil {
			return kept, bad, err
		}
	}
	for _, s := range n.Stamps {
		if err := note(o.fileStamp(tx, from, s)); err != nil {
			return kept, bad, err
		}
	}
	for _, raw := range n.Cards {
		if err := note(o.keepCard(tx, raw)); err != nil {
			return kept, bad, err
		}
	}
	return kept, bad, nil
}

// fileRecord keeps a sealed record and adds its events to the track.
func (o *Office) fileRecord(tx *sqlite.Tx, head []byte) error {
	r, err := evidence.Open(head, o.hubRoots, o.now())
	if err != nil {
		return &rejected{err}
	}
	seq, box, err := o.about(tx, r)
	if err != nil {
		return err
	}
	if again, err := o.keepTestimony(tx, seq, EvidenceRecord, r.Witness, tx.Now(), head); err != nil || again {
		return err
	}
	for _, e := range r.Events {
		if box == In {
			err = o.trackIncoming(tx, seq, r.Witness, e)
		} else {
			err = o.trackOutgoing(tx, seq, r.Witness, e)
		}
		if err != nil {
			return err
		}
	}
	o.changed(tx)
	return nil
}

// about finds the document that a record is about. The header's digest ties the
// record to the very document that is here.
func (o *Office) about(tx *sqlite.Tx, r evidence.Record) (seq int64, box Box, err error) {
	var header []byte
	err = tx.QueryRow(`SELECT d.seq, d.box, h.header FROM documents d JOIN heads h ON h.document = d.seq WHERE d.id = ?`, r.Document).
		Scan(&seq, &box, &header)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", &rejected{fmt.Errorf("evidence of %q is about document %s, which is not here", r.Witness, r.Document)}
	}
	if err != nil {
		return 0, "", fmt.Errorf("find document of evidence: %w", err)
	}
	if sha256.Sum256(header) != r.Header {
		return 0, "", &rejected{fmt.Errorf("evidence of %q is about another header of document %s", r.Witness, r.Document)}
	}
	return seq, box, nil
}

// hubRoots are the CAs of a hub: our own's, or those on the card of another.
func (o *Office) hubRoots(code string) *x509.CertPool {
	if o.isHub(code) {
		return identity.Pool(*o.issuers.Load())
	}
	card, err := o.registry.Lookup(code)
	if err != nil || !card.IsHub() {
		return nil
	}
	return identity.Pool(card.CAs())
}

func (o *Office) keepTestimony(tx *sqlite.Tx, seq int64, kind, witness string, at time.Time, data []byte) (again bool, err error) {
	res, err := tx.Exec(`INSERT INTO testimony (document, kind, witness, at, sha256, data) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		seq, kind, witness, at, sha256.Sum256(data), data)
	if err != nil {
		return false, fmt.Errorf("keep evidence: %w", err)
	}
	n, err := res.RowsAffected()
	return n == 0, err
}

// trackIncoming puts the hub's signature behind "at the hub", which was this
// office's own word until now.
func (o *Office) trackIncoming(tx *sqlite.Tx, seq int64, witness string, e evidence.Event) error {
	if e.Name != evidence.SubmissionAcceptance && e.Name != evidence.RelayAcceptance {
		return nil
	}
	res, err := tx.Exec(`UPDATE events SET signer = ?, evidence = ?, note = ?, at = ? WHERE document = ? AND step = ? AND signer = ''`,
		witness, EvidenceRecord, evidenceNote(e), e.At, seq, string(AtHub))
	if err != nil {
		return fmt.Errorf("sign step of track: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return insertEvent(tx, seq, Event{Step: AtHub, At: e.At, Learnt: tx.Now(), Signer: witness, Note: evidenceNote(e), Evidence: EvidenceRecord}, 0)
}

// trackOutgoing adds what a hub witnessed to the track of a document of ours. A
// final failure ends the way to its recipient.
func (o *Office) trackOutgoing(tx *sqlite.Tx, seq int64, witness string, e evidence.Event) error {
	if e.Name == evidence.SubmissionRejection && o.isHub(witness) {
		return o.trackRejection(tx, seq, witness, e)
	}
	if err := o.overtaken(tx, seq); err != nil {
		return err
	}
	ev := Event{At: e.At, Learnt: tx.Now(), Signer: witness, Note: evidenceNote(e), Evidence: EvidenceRecord, Step: AtHub}
	if e.Office != "" {
		err := tx.QueryRow(`SELECT code, state FROM recipients WHERE document = ? AND code_key = ?`, seq, registry.Key(e.Office)).Scan(&ev.Office, &ev.Step)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // of a later version, or of no concern
		}
		if err != nil {
			return err
		}
	}
	if e.Name == evidence.ContentConsignment {
		ev.Step = AtHub // the recipient itself says when it has it
	}
	if e.Final() && ev.Office != "" {
		if moved, err := advance(tx, seq, ev.Office, Failed, "", failure(e)); err != nil {
			return err
		} else if moved > 0 {
			ev.Step = Failed
			if err := o.endIfDone(tx, seq); err != nil {
				return err
			}
		}
	}
	return insertEvent(tx, seq, ev, 0)
}

// trackRejection puts the hub's signature behind "the hub refused it", which was
// this office's own word until now; or it fails the document, if the evidence is
// the first that this office hears of it.
func (o *Office) trackRejection(tx *sqlite.Tx, seq int64, witness string, e evidence.Event) error {
	var state State
	if err := tx.QueryRow(`SELECT state FROM documents WHERE seq = ?`, seq).Scan(&state); err != nil || state == Withdrawn {
		return err // it was to go nowhere, and went nowhere
	}
	why := refusal(e.Code, "")
	unsigned, err := why.kept()
	if err != nil {
		return err
	}
	words := i18n.Say(evidenceNote(e), i18n.Args{"why": why.said})
	note, err := wording{said: words}.kept()
	if err != nil {
		return err
	}
	res, err := tx.Exec(`UPDATE events SET signer = ?, evidence = ?, note = ?, at = ? WHERE document = ? AND step = ? AND office = '' AND signer = '' AND note = ?`,
		witness, EvidenceRecord, note, e.At, seq, string(Failed), unsigned)
	if err != nil {
		return fmt.Errorf("sign step of track: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var told bool
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM events WHERE document = ? AND signer = ? AND evidence = ? AND note = ?)`,
		seq, witness, EvidenceRecord, note).Scan(&told)
	if err != nil || told {
		return err
	}
	ev := Event{Step: AtHub, At: e.At, Learnt: tx.Now(), Signer: witness, Said: words, Evidence: EvidenceRecord}
	moved, err := advance(tx, seq, "", Failed, "", why)
	if err != nil {
		return err
	}
	if moved > 0 {
		ev.Step = Failed
		if err := o.endIfDone(tx, seq); err != nil {
			return err
		}
	}
	return insertEvent(tx, seq, ev, 0)
}

// endIfDone is endWhenDone of a document by its row.
func (o *Office) endIfDone(tx *sqlite.Tx, seq int64) error {
	var id storage.ID
	if err := tx.QueryRow(`SELECT id FROM documents WHERE seq = ?`, seq).Scan(&id); err != nil {
		return err
	}
	return o.endWhenDone(tx, seq, id)
}

// evidenceNote is the key of an event's text, or the event's name.
func evidenceNote(e evidence.Event) string {
	key := "office.evidence." + string(e.Name)
	if e.Reason != "" {
		key += "." + string(e.Reason)
	}
	if !i18n.Has(key) {
		return printable(string(e.Name))
	}
	return key
}

// failure says why a document will not reach its recipient.
func failure(e evidence.Event) wording {
	what := said(evidenceNote(e))
	if !i18n.Has(what.said.Key) {
		what = said("office.evidence.other", i18n.Args{"event": what.said.Key})
	}
	if e.Code == 0 {
		return what
	}
	return said("office.evidence.because", i18n.Args{"event": what.said, "why": refusal(e.Code, "").said})
}

// fileStamp keeps a time stamp of a hub on the seal of a document of ours, or
// hands on one of a message.
func (o *Office) fileStamp(tx *sqlite.Tx, from string, s stamped) error {
	seq, err := find(tx, Out, s.Document)
	if errors.Is(err, storage.ErrNotFound) {
		switch m, err := findMail(tx, s.Document); {
		case err != nil:
			return err
		case m.seq != 0:
			return o.stampMail(tx, m, from, s.Token)
		}
		return &rejected{fmt.Errorf("time stamp of %q is on document %s, which is not ours", from, s.Document)}
	}
	if err != nil {
		return err
	}
	return o.keepStamp(tx, seq, from, s.Token, o.hubRoots(from))
}

// keepStamp checks a token on the seal of a document and keeps it.
func (o *Office) keepStamp(tx *sqlite.Tx, seq int64, authority string, token []byte, roots *x509.CertPool) error {
	stored, err := getHead(tx, seq)
	if err != nil {
		return err
	}
	head, err := o.readHead(stored)
	if err != nil {
		return err
	}
	sum, err := seal.StampOn(head, seal.StampName(authority))
	if err != nil {
		return err
	}
	report, err := checkStamp(authority, token, sum, roots, o.now())
	if err != nil {
		return err
	}
	if again, err := o.keepTestimony(tx, seq, EvidenceStamp, authority, report.Time, token); err != nil || again {
		return err
	}
	o.changed(tx)
	e := stampEvent(authority, report)
	e.Learnt = tx.Now()
	return insertEvent(tx, seq, e, 0)
}

func checkStamp(authority string, token []byte, sum [sha256.Size]byte, roots *x509.CertPool, now time.Time) (seal.StampReport, error) {
	report := seal.CheckStamp(token, sum, roots, now)
	if report.Result != seal.Passed {
		return report, &rejected{fmt.Errorf("time stamp of %q: %s, %s", authority, report.Result, report.Reason)}
	}
	return report, nil
}

// stampEvent is a time stamp as a step.
func stampEvent(authority string, report seal.StampReport) Event {
	note := printable(report.Authority)
	if report.Reserve {
		note = "office.stamp.reserve"
	}
	return Event{Step: Saved, At: report.Time, Signer: authority, Note: note, Evidence: EvidenceStamp}
}

// testimony is the evidence of a document for its exported container: records,
// and of each authority the first time stamp.
func testimony(tx *sqlite.Tx, seq int64) ([]seal.Extra, error) {
	rows, err := tx.Query(`SELECT kind, witness, data FROM testimony WHERE document = ? ORDER BY kind, at, seq`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var extra []seal.Extra
	done := map[string]bool{}
	for rows.Next() {
		var kind, witness string
		var data []byte
		if err := rows.Scan(&kind, &witness, &data); err != nil {
			return nil, err
		}
		data = bytes.Clone(data)
		switch {
		case kind == EvidenceRecord:
			extra = append(extra, seal.Extra{Data: data})
		case !done[witness]:
			done[witness] = true
			extra = append(extra, seal.Extra{Name: seal.StampName(witness), Data: data})
		}
	}
	return extra, rows.Err()
}

// Stamper asks an external time stamp authority.
type Stamper interface {
	// Stamp gets a token on a digest. It may be asked again after any error.
	Stamp(ctx context.Context, i tsa.Imprint) (tsa.Token, error)
}

const (
	// stampBatch is how many documents are stamped in one go.
	stampBatch = 16
	// stampWithin is how old a document of ours may be to get an external time
	// stamp: later it says too little.
	stampWithin = 30 * 24 * time.Hour
	// stampWait bounds one question to the authority.
	stampWait = 30 * time.Second
)

// stampSeals asks the external authority for time stamps on the seals of
// documents that have none of it. Without a line that fails, and is tried again
// at the next round.
func (o *Office) stampSeals(ctx context.Context) error {
	if o.stamper == nil {
		return nil
	}
	var due []int64
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		var err error
		due, err = sqlite.Column[int64](tx, `SELECT d.seq FROM documents d WHERE d.box = 'out' AND d.created > ? AND NOT EXISTS
			(SELECT 1 FROM testimony t WHERE t.document = d.seq AND t.kind = 'stamp' AND t.witness = ?) ORDER BY d.seq LIMIT ?`,
			o.now().Add(-stampWithin), externalAuthority, stampBatch)
		return err
	})
	for _, seq := range due {
		if err := o.stampSeal(ctx, seq); err != nil {
			return err
		}
	}
	return err
}

func (o *Office) stampSeal(ctx context.Context, seq int64) error {
	var stored sealedHead
	err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		stored, err = getHead(tx, seq)
		return err
	})
	if err != nil {
		return err
	}
	head, err := o.readHead(stored)
	if err != nil {
		return err
	}
	sum, err := seal.StampOn(head, seal.StampName(externalAuthority))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stampWait)
	defer cancel()
	token, err := o.stamper.Stamp(ctx, tsa.SHA256(sum))
	if err != nil {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error {
		return o.keepStamp(tx, seq, externalAuthority, token.Raw, o.stampRoots)
	})
}
