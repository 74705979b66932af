package office

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// What stands behind an event, see [Event].
const (
	EvidenceSeal    = "seal"
	EvidenceCustody = "custody"
	EvidenceStatus  = "status"
	EvidenceNotice  = "notice"
	EvidenceForeign = "foreign" // the word of another system; nobody has signed it
)

// insertDocument writes the row and its recipients. others is how many more
// recipients stand in the head alone.
func insertDocument(tx *sqlite.Tx, d Document, others int) (seq int64, err error) {
	why, err := wording{d.Reason, d.Why}.kept()
	if err != nil {
		return 0, err
	}
	res, err := tx.Exec(`INSERT INTO documents (id, box, state, urgency, from_code, from_name, subject, number, notation,
			type, type_name, date, edxml_id, reason, size, created, expires, others, medium, code_key, carries)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, string(d.Box), string(d.State), int(d.Urgency), d.From.Code, d.From.Name, d.Subject, d.Number, d.Notation,
		d.Type, d.TypeName, d.Date, d.EdXMLID, why, d.Size, d.Created, d.Expires, others,
		string(cmp.Or(d.Medium, Electronic)), codeKey(d.Number, d.Notation), d.Dossier.String())
	if err != nil {
		return 0, fmt.Errorf("insert document: %w", err)
	}
	if seq, err = res.LastInsertId(); err != nil {
		return 0, fmt.Errorf("insert document: %w", err)
	}
	for i, r := range d.To {
		if why, err = (wording{r.Reason, r.Why}).kept(); err != nil {
			return 0, err
		}
		_, err := tx.Exec(`INSERT INTO recipients (document, pos, code, code_key, name, state, reason, via) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			seq, i, r.Code, recipientKey(r.Party, i), r.Name, string(r.State), why, r.Via)
		if err != nil {
			return 0, fmt.Errorf("insert recipient: %w", err)
		}
	}
	if err := list(tx, seq); err != nil {
		return 0, fmt.Errorf("insert document: %w", err)
	}
	return seq, nil
}

// insertHead keeps the signed header and, unless it could not be opened, the
// sealed head.
func insertHead(tx *sqlite.Tx, seq int64, header []byte, head *blob.Content) error {
	var size, sha, inline any
	if head != nil {
		size, sha = head.Size, head.SHA256
		if head.Inline != nil {
			inline = head.Inline
		}
	}
	_, err := tx.Exec(`INSERT INTO heads (document, header, size, sha256, inline) VALUES (?, ?, ?, ?, ?)`, seq, header, size, sha, inline)
	if err != nil {
		return fmt.Errorf("insert head: %w", err)
	}
	return nil
}

func insertAttachment(tx *sqlite.Tx, seq int64, index int, f file) error {
	var inline any
	if f.content.Inline != nil {
		inline = f.content.Inline
	}
	_, err := tx.Exec(`INSERT INTO attachments (document, idx, name, entry, media, size, sha256, inline) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, index, f.name, f.entry, f.media, f.content.Size, f.content.SHA256, inline)
	if err != nil {
		return fmt.Errorf("insert attachment: %w", err)
	}
	return nil
}

// insertOriginal keeps a signed message as it came; nil is none.
func insertOriginal(tx *sqlite.Tx, seq int64, c *blob.Content) error {
	if c == nil {
		return nil
	}
	var inline any
	if c.Inline != nil {
		inline = c.Inline
	}
	_, err := tx.Exec(`INSERT INTO originals (document, size, sha256, inline) VALUES (?, ?, ?, ?)`, seq, c.Size, c.SHA256, inline)
	if err != nil {
		return fmt.Errorf("insert original: %w", err)
	}
	return nil
}

// getOriginal loads the signed message of a document; ok is false for one
// without.
func getOriginal(tx *sqlite.Tx, seq int64) (c blob.Content, ok bool, err error) {
	err = tx.QueryRow(`SELECT size, sha256, inline FROM originals WHERE document = ?`, seq).
		Scan(&c.Size, sqlite.Digest(&c.SHA256), &c.Inline)
	if errors.Is(err, sql.ErrNoRows) {
		return blob.Content{}, false, nil
	}
	return c, err == nil, err
}

// insertEvent adds a step to the track. proof is the row of its signed record,
// 0 for none.
func insertEvent(tx *sqlite.Tx, seq int64, e Event, proof int64) error {
	var row any
	if proof > 0 {
		row = proof
	}
	note, err := wording{e.Note, e.Said}.kept()
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO events (document, step, code, office, at, learnt, signer, note, evidence, proof)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, string(e.Step), string(e.Code), e.Office, e.At, e.Learnt, e.Signer, note, e.Evidence, row)
	if err != nil {
		return fmt.Errorf("insert event: %w", err)
	}
	return nil
}

// insertProof keeps a signed record. header is the signed bundle header that
// it came in, nil for none.
func insertProof(tx *sqlite.Tx, seq int64, kind, office string, header, data []byte) (int64, error) {
	res, err := tx.Exec(`INSERT INTO proofs (document, kind, office, header, data) VALUES (?, ?, ?, ?, ?)`, seq, kind, office, header, data)
	if err != nil {
		return 0, fmt.Errorf("insert proof: %w", err)
	}
	return res.LastInsertId()
}

func insertSeal(tx *sqlite.Tx, seq int64, s Seal) error {
	_, err := tx.Exec(`INSERT INTO seals (document, verdict, reason, signer, name, signed_at, checked, issuer, serial)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, s.Verdict, s.Reason, s.Signer, s.Name, s.SignedAt, s.Checked, s.Issuer, s.Serial)
	if err != nil {
		return fmt.Errorf("insert seal: %w", err)
	}
	return nil
}

// find returns the row number of a document. storage.ErrNotFound when there is
// none of that ID in the box.
func find(tx *sqlite.Tx, box Box, id storage.ID) (int64, error) {
	var seq int64
	err := tx.QueryRow(`SELECT seq FROM documents WHERE id = ? AND box = ?`, id, string(box)).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, storage.ErrNotFound
	}
	return seq, err
}

// rank orders the states of a recipient; a state of lower rank never replaces
// one of higher rank. Failed is below what the recipient itself has signed:
// a receipt that comes after the end of the lifetime still counts.
// What the sender withdrew counts as saved when it turns out that it had left.
var rank = map[State]int{Saved: 0, Withdrawn: 0, Sending: 1, AtHub: 2, Failed: 3, Delivered: 4, Accepted: 5, Returned: 5, Recalled: 6}

// advance moves the recipients of an outgoing document to state, those that are
// not as far yet; all that are reached over Trạm when office is "". It tells how many moved and
// settles the state of the document.
func advance(tx *sqlite.Tx, seq int64, office string, state State, number string, why wording) (moved int64, err error) {
	reason, err := why.kept()
	if err != nil {
		return 0, err
	}
	below := make([]any, 0, len(rank)+6)
	below = append(below, string(state), number, reason, seq, office, registry.Key(office))
	marks := ""
	for s, r := range rank {
		if r < rank[state] {
			marks += ", ?"
			below = append(below, string(s))
		}
	}
	if marks == "" {
		return 0, nil
	}
	res, err := tx.Exec(`UPDATE recipients SET state = ?, number = ?, reason = ?
		WHERE document = ? AND (? = '' AND via = '' OR code_key = ?) AND state IN (`+marks[2:]+`)`, below...)
	if err != nil {
		return 0, fmt.Errorf("advance recipients: %w", err)
	}
	if moved, err = res.RowsAffected(); err != nil || moved == 0 {
		return moved, err
	}
	return moved, settle(tx, seq)
}

// settle derives the state of an outgoing document from its recipients: what
// needs a person first, else the step that all of them have reached. It is
// recalled when some have cancelled it and the others never took it.
func settle(tx *sqlite.Tx, seq int64) error {
	rows, err := tx.Query(`SELECT state, max(reason) FROM recipients WHERE document = ? GROUP BY state`, seq)
	if err != nil {
		return fmt.Errorf("settle document: %w", err)
	}
	defer rows.Close()
	reasons := map[State]string{}
	least := State("")
	for rows.Next() {
		var s State
		var reason string
		if err := rows.Scan(&s, &reason); err != nil {
			return fmt.Errorf("settle document: %w", err)
		}
		reasons[s] = reason
		if least == "" || rank[s] < rank[least] {
			least = s
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("settle document: %w", err)
	}
	least = pressing(reasons, least)
	_, err = tx.Exec(`UPDATE documents SET state = ?, reason = ? WHERE seq = ?`, string(least), reasons[least], seq)
	if err != nil {
		return fmt.Errorf("settle document: %w", err)
	}
	return nil
}

// pressing is the state that goes before the least of those reached.
func pressing(reached map[State]string, least State) State {
	if _, ok := reached[Recalled]; ok {
		live := false
		for s := range reached {
			live = live || s != Recalled && s != Returned && s != Failed
		}
		if !live {
			return Recalled
		}
	}
	for _, s := range []State{Returned, Failed} {
		if _, ok := reached[s]; ok {
			return s
		}
	}
	return least
}

// done reports whether no recipient is left from which a receipt can come over Trạm.
func done(tx *sqlite.Tx, seq int64) (bool, error) {
	var open bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM recipients WHERE document = ? AND via = '' AND state IN (?, ?, ?))`,
		seq, string(Saved), string(Sending), string(AtHub)).Scan(&open)
	return !open, err
}
