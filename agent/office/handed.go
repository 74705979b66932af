package office

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// MaxKey is the longest key of a [Draft] or [Handover], in bytes.
const MaxKey = 200

// handed returns the document that was handed over under a key; ok is false
// when none was, and for the empty key.
func (o *Office) handed(ctx context.Context, key string) (doc Document, ok bool, err error) {
	if key == "" {
		return Document{}, false, nil
	}
	if len(key) > MaxKey {
		return Document{}, false, problem.New(problem.Usage, "send.too-long", "key", i18n.Args{"field": "key", "limit": MaxKey, "have": len(key)})
	}
	var id storage.ID
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT d.id FROM handed h JOIN documents d ON d.seq = h.document WHERE h.key = ?`, key).Scan(&id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Document{}, false, nil
	}
	if err != nil {
		return Document{}, false, fmt.Errorf("ask for key: %w", err)
	}
	doc, err = o.Get(ctx, id)
	return doc, err == nil, err
}

// keepKey notes the key of a document in the transaction that saves it.
func keepKey(tx *sqlite.Tx, key string, seq int64) error {
	if key == "" {
		return nil
	}
	if _, err := tx.Exec(`INSERT INTO handed (key, document) VALUES (?, ?)`, key, seq); err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	return nil
}
