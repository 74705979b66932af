package office

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// witness passes revocation data on and remembers it up to MaxEvidence, so that a
// verdict can be kept with what it rests on. It waits for the network until a
// time.
type witness struct {
	from  docsign.Revocations
	until time.Time
	found map[string][]byte // by SHA-256 in hexadecimal
}

func (w *witness) Lookup(ctx context.Context, cert, issuer *x509.Certificate) ([]docsign.Evidence, error) {
	ctx, stop := context.WithDeadline(ctx, w.until)
	defer stop()
	all, err := w.from.Lookup(ctx, cert, issuer)
	for _, e := range all {
		if len(e.Bytes()) > MaxEvidence {
			continue
		}
		sum := sha256.Sum256(e.Bytes())
		w.found[hex.EncodeToString(sum[:])] = e.Bytes()
	}
	return all, err
}

// checkLoop checks what has arrived, and again what could not be concluded,
// until ctx ends. It runs beside the inbox, so that a large file holds up no
// other document.
func (o *Office) checkLoop(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := o.checkDue(ctx); err != nil {
			o.complain(ctx, "signatures not checked", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-o.arrived:
		case <-tick.C:
		}
	}
}

// checkDue checks the documents whose time has come, or for which the trust has
// changed.
func (o *Office) checkDue(ctx context.Context) error {
	for ctx.Err() == nil {
		_, mark := o.terms()
		due, err := o.dueChecks(ctx, mark)
		if err != nil {
			return err
		}
		for _, d := range due {
			cause := CauseAgain
			if d.first {
				cause = CauseArrival
			}
			if err := o.check(ctx, d.id, cause, "", checkPatience); err != nil {
				o.complain(ctx, "signatures not checked", fmt.Errorf("document %s: %w", d.id, err))
				if err := o.db.Update(ctx, func(tx *sqlite.Tx) error { return postpone(tx, d.seq, tx.Now().Add(checkRetry), mark) }); err != nil {
					return err
				}
			}
		}
		if len(due) < batchSize {
			return nil
		}
	}
	return nil
}

// planCheck has the attachments of a document that is being filed checked.
func (o *Office) planCheck(tx *sqlite.Tx, seq int64, files int) error {
	if files == 0 {
		return nil
	}
	tx.OnCommit(func() {
		select {
		case o.arrived <- struct{}{}:
		default:
		}
	})
	return postpone(tx, seq, tx.Now(), "")
}

type dueCheck struct {
	seq   int64
	id    storage.ID
	first bool
}

func (o *Office) dueChecks(ctx context.Context, mark string) ([]dueCheck, error) {
	var all []dueCheck
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT d.seq, d.id, NOT EXISTS (SELECT 1 FROM checks c WHERE c.document = d.seq)
			FROM checks_due q JOIN documents d ON d.seq = q.document
			WHERE (q.due <= ? OR q.mark <> ?) AND d.state <> 'recalled' ORDER BY q.due, q.document LIMIT ?`, tx.Now(), mark, batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d dueCheck
			if err := rows.Scan(&d.seq, &d.id, &d.first); err != nil {
				return err
			}
			all = append(all, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list due checks: %w", err)
	}
	return all, nil
}

// Knowing is what a clerk declares when accepting a document whose signatures
// are not all valid. The zero value declares nothing.
type Knowing struct {
	Reason      string // why it is accepted all the same
	SeenFailure bool   // the explanation of a failed signature was opened
}

// settled gives the newest verdicts of a document, which it checks first when
// that has not been done, without waiting for the network.
func (o *Office) settled(ctx context.Context, doc Document) ([]Check, error) {
	if len(doc.Checks) > 0 || len(doc.Attachments) == 0 {
		return doc.Checks, nil
	}
	if err := o.check(ctx, doc.ID, CauseArrival, "", 0); err != nil {
		return nil, err
	}
	all, err := o.Checks(ctx, doc.ID)
	return newestChecks(all), err
}

// permits holds an acceptance against the verdicts: what failed needs a reason
// and that its explanation was seen; what is not concluded needs a reason,
// unless only revocation data is missing.
func (o *Office) permits(doc Document, checks []Check, k Knowing) error {
	for _, c := range checks {
		name := ""
		for _, a := range doc.Attachments {
			if a.Index == c.Attachment {
				name = a.Name
			}
		}
		args := i18n.Args{"file": name, "why": c.Report.Reason.Said()}
		switch c.Verdict() {
		case docsign.VerdictFailed:
			if k.Reason == "" || !k.SeenFailure {
				return problem.New(problem.Conflict, "accept.invalid", "trust_seen", args)
			}
		case docsign.VerdictUnidentified, docsign.VerdictDoubtful:
			if k.Reason == "" {
				return problem.New(problem.Conflict, "accept.unidentified", "trust_reason", args)
			}
		}
	}
	return nil
}

// freeze records the verdicts that stood at the acceptance, and why it was
// accepted.
func (o *Office) freeze(tx *sqlite.Tx, doc Document, checks []Check, k Knowing, by string) error {
	seq, err := find(tx, In, doc.ID)
	if err != nil {
		return err
	}
	detail := map[string]string{"reason": k.Reason}
	for _, c := range checks {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO checks_frozen (document, attachment, checked) VALUES (?, ?, ?)`, seq, c.Attachment, c.seq); err != nil {
			return fmt.Errorf("freeze verdicts: %w", err)
		}
		detail[fmt.Sprintf("verdict.%d", c.Attachment)] = string(c.Verdict())
	}
	if k.Reason != "" {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO checks_reasons (document, reason) VALUES (?, ?)`, seq, k.Reason); err != nil {
			return fmt.Errorf("freeze verdicts: %w", err)
		}
	}
	if len(checks) == 0 {
		return nil
	}
	return audit.Append(tx, audit.Entry{Actor: o.actor(by), Action: actionFreeze, Subject: doc.ID.String(), Detail: detail})
}

// fillChecks adds the newest verdict of each attachment, and why the document
// was accepted all the same.
func fillChecks(tx *sqlite.Tx, r *row) error {
	all, err := getChecks(tx, r.seq)
	if err != nil {
		return err
	}
	r.Checks = newestChecks(all)
	err = tx.QueryRow(`SELECT reason FROM checks_reasons WHERE document = ?`, r.seq).Scan(&r.TrustReason)
	return notFoundAs(nil, err)
}
