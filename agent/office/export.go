package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"

	"tram/agent/problem"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// notFoundAs replaces "no such row" by other.
func notFoundAs(other, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return other
	}
	return err
}

func getHead(tx *sqlite.Tx, seq int64) (h sealedHead, err error) {
	var size sql.NullInt64
	var sha []byte
	err = tx.QueryRow(`SELECT header, size, sha256, inline FROM heads WHERE document = ?`, seq).
		Scan(&h.header, &size, &sha, &h.content.Inline)
	if err != nil {
		return sealedHead{}, fmt.Errorf("load head: %w", err)
	}
	h.ok, h.content.Size = size.Valid, size.Int64
	copy(h.content.SHA256[:], sha)
	return h, nil
}

// stored is an attachment with what only the table knows.
type stored struct {
	entry   string
	content blob.Content
}

func getAttachment(tx *sqlite.Tx, seq int64, index int) (s stored, err error) {
	var gone bool
	err = tx.QueryRow(`SELECT entry, size, sha256, inline, gone FROM attachments WHERE document = ? AND idx = ?`, seq, index).
		Scan(&s.entry, &s.content.Size, sqlite.Digest(&s.content.SHA256), &s.content.Inline, &gone)
	if gone {
		return stored{}, errCancelled()
	}
	return s, err
}

// Open opens an attachment. The caller closes it.
func (o *Office) Open(ctx context.Context, id storage.ID, index int) (Attachment, io.ReadSeekCloser, error) {
	var r row
	var s stored
	err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		if r, err = getRow(tx, id); err != nil {
			return err
		}
		if err := fillAttachments(tx, []*row{&r}); err != nil {
			return err
		}
		s, err = getAttachment(tx, r.seq, index)
		return notFoundAs(problem.New(problem.NotFound, "document.no-attachment", "index", map[string]any{"index": index}), err)
	})
	if err != nil {
		return Attachment{}, nil, fmt.Errorf("open attachment: %w", err)
	}
	body, err := o.blobs.Reader(s.content)
	if err != nil {
		return Attachment{}, nil, fmt.Errorf("open attachment: %w", err)
	}
	for _, a := range r.Attachments {
		if a.Index == index {
			return a, body, nil
		}
	}
	return Attachment{}, nil, errors.Join(fmt.Errorf("open attachment: %w", storage.ErrNotFound), body.Close())
}

// errMissing says that a rejected document lacks an attachment.
var errMissing = errors.New("attachment was not filed")

// Export writes a document as one .asice file: message, attachments and seal as
// the sender made them, with the receipts, evidence and time stamps known here,
// and the cards to check all that with. On an error what was written is to be
// thrown away.
func (o *Office) Export(ctx context.Context, id storage.ID, w io.Writer) error {
	var head sealedHead
	var extra []seal.Extra
	files := map[string]blob.Content{}
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		r, err := getRow(tx, id)
		if err != nil {
			return err
		}
		if r.cancelled() {
			return errCancelled()
		}
		if r.Medium == Paper {
			return errPaper("export.paper")
		}
		if head, err = getHead(tx, r.seq); err != nil {
			return err
		}
		if extra, err = o.joining(tx, r.seq, head.header); err != nil {
			return err
		}
		if original, ok, err := getOriginal(tx, r.seq); err != nil {
			return err
		} else if ok {
			files[originalName] = original
			return nil // the attachments are inside
		}
		return eachAttachment(tx, r.seq, func(s stored) { files[s.entry] = s.content })
	})
	if err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	if !head.ok {
		return problem.New(problem.Conflict, "document.unreadable", "", nil)
	}
	raw, err := o.readHead(head)
	if err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	open := func(f seal.File) (io.ReadCloser, error) {
		c, ok := files[f.Name]
		if !ok {
			return nil, errMissing
		}
		return o.reader(ctx, c)
	}
	err = seal.WriteContainer(w, raw, open, extra)
	if errors.Is(err, errMissing) {
		return problem.New(problem.Conflict, "document.unreadable", "", nil).Because(err)
	}
	if err != nil {
		return fmt.Errorf("export document: %w", err)
	}
	return nil
}

// joining is what joins a document in its exported file.
func (o *Office) joining(tx *sqlite.Tx, seq int64, header []byte) ([]seal.Extra, error) {
	extra, err := receipts(tx, seq, header)
	if err != nil {
		return nil, err
	}
	evidence, err := testimony(tx, seq)
	if err != nil {
		return nil, err
	}
	cards, err := o.cardsFor(tx, seq)
	return slices.Concat(extra, evidence, cards), err
}

// reader opens stored content; reading fails when ctx ends.
func (o *Office) reader(ctx context.Context, c blob.Content) (io.ReadCloser, error) {
	body, err := o.blobs.Reader(c)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{&interrupted{ctx, body}, body}, nil
}

func eachAttachment(tx *sqlite.Tx, seq int64, fn func(stored)) error {
	rows, err := tx.Query(`SELECT entry, size, sha256, inline FROM attachments WHERE document = ? ORDER BY idx`, seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var s stored
		if err := rows.Scan(&s.entry, &s.content.Size, sqlite.Digest(&s.content.SHA256), &s.content.Inline); err != nil {
			return err
		}
		fn(s)
	}
	return rows.Err()
}

// receipts are the signed records behind the track: the bundle's header, the
// newest custody receipt of each hub, and all sealed statuses. A notice's proof
// is the header it came in; it stays in the store.
func receipts(tx *sqlite.Tx, seq int64, header []byte) ([]seal.Extra, error) {
	var extra []seal.Extra
	if len(header) > 0 { // none was made for offices outside of Trạm
		extra = append(extra, seal.Extra{Name: seal.HeaderName, Data: header})
	}
	rows, err := tx.Query(`SELECT kind, office, data FROM proofs WHERE document = ? AND kind IN (?, ?) ORDER BY seq`,
		seq, EvidenceCustody, EvidenceStatus)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	custody := map[string]int{}
	for rows.Next() {
		var kind, office string
		var data []byte
		if err := rows.Scan(&kind, &office, &data); err != nil {
			return nil, err
		}
		if kind == EvidenceStatus {
			extra = append(extra, seal.Extra{Data: data})
			continue
		}
		at, again := custody[office]
		if !again {
			at = len(extra)
			custody[office] = at
			extra = append(extra, seal.Extra{})
		}
		extra[at] = seal.Extra{Name: seal.CustodyName(office), Data: data}
	}
	return extra, rows.Err()
}
