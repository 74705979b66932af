package office

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"tram/agent/docsign"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

const (
	// CheckAgain is how long after a check without revocation data the next
	// one follows by itself, unless lists arrive before.
	CheckAgain = 24 * time.Hour
	// checkPatience is how long a check waits for the network in all. What is not
	// known then is asked for by the trust, whose mark changes when it is.
	checkPatience = 10 * time.Second
	// checkRetry is when a check is tried again that failed to read.
	checkRetry = time.Hour
	// MaxEvidence is the largest revocation list that is kept with a verdict,
	// in bytes. Of a larger one its digest is kept.
	MaxEvidence = 4 << 20
)

// Trust says whom signatures in attachments are trusted under.
//
// Terms gives anchors and revocation data as they stand, and a mark that
// changes when another check may come to another verdict. It may be called at any
// time from several goroutines; the result stays valid for one check.
type Trust interface {
	Terms() (o docsign.Options, mark string)
}

// Causes of a [Check].
const (
	CauseArrival = "arrival" // the document came
	CauseAgain   = "again"   // by itself, because revocation data was missing
	CauseRequest = "request" // somebody asked for it
)

// Check is a verdict on the signatures inside one attachment at one time.
type Check struct {
	Attachment int            `json:"attachment"`
	Cause      string         `json:"cause"`
	By         string         `json:"by,omitempty"` // who asked, "" for the program itself
	Frozen     bool           `json:"frozen"`       // it stood when the document was accepted
	Report     docsign.Report `json:"report"`
	seq        int64
}

// Verdict is the check in one word.
func (c Check) Verdict() docsign.Verdict { return c.Report.Verdict() }

// Checks is the history of verdicts on a document's attachments, oldest first.
func (o *Office) Checks(ctx context.Context, id storage.ID) ([]Check, error) {
	var all []Check
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		r, err := getRow(tx, id)
		if err != nil {
			return err
		}
		all, err = getChecks(tx, r.seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list verdicts: %w", err)
	}
	return all, nil
}

// Recheck checks the attachments of an incoming document again and gives the
// newest verdict of each. What it finds is added to the history.
func (o *Office) Recheck(ctx context.Context, id storage.ID, by string) ([]Check, error) {
	if err := o.check(ctx, id, CauseRequest, by, checkPatience); err != nil {
		return nil, err
	}
	all, err := o.Checks(ctx, id)
	return newestChecks(all), err
}

func getChecks(tx *sqlite.Tx, seq int64) ([]Check, error) {
	rows, err := tx.Query(`SELECT c.seq, c.attachment, c.cause, c.actor, c.report, f.checked IS NOT NULL
		FROM checks c LEFT JOIN checks_frozen f ON f.document = c.document AND f.checked = c.seq
		WHERE c.document = ? ORDER BY c.seq`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Check
	for rows.Next() {
		var c Check
		var report []byte
		if err := rows.Scan(&c.seq, &c.Attachment, &c.Cause, &c.By, &report, &c.Frozen); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(report, &c.Report); err != nil {
			return nil, fmt.Errorf("read verdict: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// newestChecks picks the last check of each attachment, in their order.
func newestChecks(all []Check) []Check {
	last := map[int]Check{}
	most := -1
	for _, c := range all {
		last[c.Attachment] = c
		most = max(most, c.Attachment)
	}
	var out []Check
	for i := 0; i <= most; i++ {
		if c, ok := last[i]; ok {
			out = append(out, c)
		}
	}
	return out
}

// checkTask is what a check needs of a document.
type checkTask struct {
	row
	files []stored
	known []Check
}

// existed is when the document is proven to have existed: when it was filed, or,
// when the clock was behind then, when it was first checked by one that was not.
// It is zero before that.
func (t checkTask) existed() time.Time {
	for i, c := range t.known {
		switch {
		case c.Report.ClockBehind:
		case i == 0:
			return t.Created
		default:
			return c.Report.CheckedAt
		}
	}
	if len(t.known) > 0 {
		return time.Time{}
	}
	return t.Created
}

func (o *Office) checkTask(ctx context.Context, id storage.ID) (t checkTask, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if t.row, err = getRow(tx, id); err != nil {
			return err
		}
		if t.Box != In {
			return problem.New(problem.Conflict, "accept.outgoing", "", nil)
		}
		if err := fillAttachments(tx, []*row{&t.row}); err != nil {
			return err
		}
		for _, a := range t.Attachments {
			s, err := getAttachment(tx, t.seq, a.Index)
			if err != nil {
				return err
			}
			t.files = append(t.files, s)
		}
		t.known, err = getChecks(tx, t.seq)
		return err
	})
	return t, err
}

// check checks the attachments of a document and adds what is new. A check by
// itself that comes to the same verdict is not added.
func (o *Office) check(ctx context.Context, id storage.ID, cause, by string, patience time.Duration) error {
	o.checking.Lock()
	defer o.checking.Unlock()
	t, err := o.checkTask(ctx, id)
	if err != nil {
		return fmt.Errorf("check signatures: %w", err)
	}
	terms, mark := o.terms()
	if at := t.existed(); !terms.ClockBehind && !at.IsZero() {
		terms.Existed, terms.ExistedBy = at, o.me.Name
	}
	seen := &witness{from: terms.Revocations, until: time.Now().Add(patience), found: map[string][]byte{}}
	if terms.Revocations != nil {
		terms.Revocations = seen
	}
	checks := make([]Check, 0, len(t.files))
	for i := range t.files {
		report, err := o.checkFile(ctx, t, i, terms)
		if err != nil {
			return fmt.Errorf("check signatures: %w", err)
		}
		checks = append(checks, Check{Attachment: t.Attachments[i].Index, Cause: cause, By: by, Report: report})
	}
	kept, err := o.keepEvidence(ctx, checks, seen.found)
	if err != nil {
		return err
	}
	return o.db.Update(ctx, func(tx *sqlite.Tx) error { return o.addChecks(tx, t, checks, kept, mark) })
}

// terms are those of the trust, or nobody's.
func (o *Office) terms() (docsign.Options, string) {
	if o.trust == nil {
		return docsign.Options{Now: o.now()}, ""
	}
	return o.trust.Terms()
}

// checkFile checks one attachment. The file of a detached signature is the
// attachment with the same name less the ending.
func (o *Office) checkFile(ctx context.Context, t checkTask, i int, terms docsign.Options) (docsign.Report, error) {
	body, err := o.readerAt(t.files[i].content)
	if err != nil {
		return docsign.Report{}, err
	}
	defer body.Close()
	name := t.Attachments[i].Name
	if other := signedFile(t.Attachments, name); other >= 0 {
		content, err := o.readerAt(t.files[other].content)
		if err != nil {
			return docsign.Report{}, err
		}
		defer content.Close()
		terms.Content, terms.ContentSize = content, t.files[other].content.Size
	}
	return docsign.Check(ctx, name, body, t.files[i].content.Size, terms)
}

// signedFile is the place of the attachment that a detached signature is over,
// -1 for none: "x.pdf" or "x" for "x.pdf.p7s", and "x.pdf" for "x.p7s".
func signedFile(all []Attachment, name string) int {
	base, ok := strings.CutSuffix(strings.ToLower(name), ".p7s")
	if !ok {
		return -1
	}
	loose := -1
	for i, a := range all {
		other := strings.ToLower(a.Name)
		switch {
		case other == base:
			return i
		case other != strings.ToLower(name) && strings.TrimSuffix(other, path.Ext(other)) == base && loose < 0:
			loose = i
		}
	}
	return loose
}

// seeker reads content at offsets; it is for one goroutine.
type seeker struct{ io.ReadSeekCloser }

func (o *Office) readerAt(c blob.Content) (seeker, error) {
	r, err := o.blobs.Reader(c)
	return seeker{r}, err
}

func (s seeker) ReadAt(p []byte, off int64) (int, error) {
	if _, err := s.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.ReadSeekCloser, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// addChecks writes checks, their evidence, and when to check again.
func (o *Office) addChecks(tx *sqlite.Tx, t checkTask, checks []Check, kept []blob.Content, mark string) error {
	for _, c := range kept {
		var inline any
		if c.Inline != nil {
			inline = c.Inline
		}
		if _, err := tx.Exec(`INSERT OR IGNORE INTO checks_evidence (sha256, size, inline) VALUES (?, ?, ?)`, c.SHA256, c.Size, inline); err != nil {
			return fmt.Errorf("keep evidence: %w", err)
		}
	}
	again := false
	before := map[int]Check{}
	for _, c := range t.known {
		before[c.Attachment] = c
	}
	for _, c := range checks {
		again = again || c.Report.Recheck()
		if old, had := before[c.Attachment]; had && c.Cause == CauseAgain && sameVerdict(old.Report, c.Report) {
			continue
		}
		if err := o.addCheck(tx, t.row, c); err != nil {
			return err
		}
	}
	if !again {
		_, err := tx.Exec(`DELETE FROM checks_due WHERE document = ?`, t.seq)
		return err
	}
	return postpone(tx, t.seq, tx.Now().Add(CheckAgain), mark)
}

func (o *Office) addCheck(tx *sqlite.Tx, doc row, c Check) error {
	report, err := json.Marshal(c.Report)
	if err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO checks (document, attachment, cause, actor, at, verdict, report) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		doc.seq, c.Attachment, c.Cause, c.By, tx.Now(), string(c.Verdict()), report)
	if err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	o.changed(tx)
	return audit.Append(tx, audit.Entry{Actor: o.actor(c.By), Action: actionCheck, Subject: doc.ID.String(), Detail: map[string]string{
		"attachment": fmt.Sprint(c.Attachment), "sha256": c.Report.SHA256, "verdict": string(c.Verdict()), "cause": c.Cause,
		"sub": string(c.Report.SubIndication), "report": hexDigest(report),
	}})
}

// sameVerdict reports whether two reports of one file say the same, at times that
// are known as well.
func sameVerdict(a, b docsign.Report) bool {
	if a.Verdict() != b.Verdict() || a.ClockBehind != b.ClockBehind || a.SubIndication != b.SubIndication || len(a.Signatures) != len(b.Signatures) {
		return false
	}
	for i, s := range a.Signatures {
		if s.Verdict() != b.Signatures[i].Verdict() || s.SubIndication != b.Signatures[i].SubIndication {
			return false
		}
	}
	return true
}

func postpone(tx *sqlite.Tx, seq int64, due time.Time, mark string) error {
	_, err := tx.Exec(`INSERT INTO checks_due (document, due, mark) VALUES (?, ?, ?)
		ON CONFLICT (document) DO UPDATE SET due = excluded.due, mark = excluded.mark`, seq, due, mark)
	if err != nil {
		return fmt.Errorf("plan the next check: %w", err)
	}
	return nil
}

// keepEvidence stores the lists and answers that the verdicts name.
func (o *Office) keepEvidence(ctx context.Context, checks []Check, found map[string][]byte) ([]blob.Content, error) {
	var kept []blob.Content
	for _, c := range checks {
		for sum := range evidenceOf(c.Report) {
			der := found[sum]
			if der == nil {
				continue
			}
			delete(found, sum)
			content, err := o.stage(ctx, der)
			if err != nil {
				return nil, err
			}
			kept = append(kept, content)
		}
	}
	return kept, nil
}

// evidenceOf names the revocation data of a report, in hexadecimal.
func evidenceOf(r docsign.Report) map[string]bool {
	all := map[string]bool{}
	note := func(list []docsign.Revocation) {
		for _, one := range list {
			if one.SHA256 != "" {
				all[one.SHA256] = true
			}
		}
	}
	for _, s := range r.Signatures {
		note(s.Revocation)
		for _, stamp := range s.Stamps {
			note(stamp.Revocation)
		}
	}
	return all
}

// Evidence opens revocation data that a verdict rests on, by its SHA-256 in
// hexadecimal. What came inside the document is not kept apart:
// storage.ErrNotFound. The caller closes it.
func (o *Office) Evidence(ctx context.Context, sha256 string) (io.ReadSeekCloser, error) {
	sum, err := hex.DecodeString(sha256)
	if err != nil || len(sum) != 32 {
		return nil, storage.ErrNotFound
	}
	var c blob.Content
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		err := tx.QueryRow(`SELECT sha256, size, inline FROM checks_evidence WHERE sha256 = ?`, sum).Scan(sqlite.Digest(&c.SHA256), &c.Size, &c.Inline)
		return notFoundAs(storage.ErrNotFound, err)
	})
	if err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	return o.blobs.Reader(c)
}
