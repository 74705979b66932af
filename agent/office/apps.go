package office

import (
	"context"
	"fmt"
	"strings"

	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/sqlite"
)

// AppOf is the name of the application that sent a document, or whose document
// an incoming one answers; "" for a person. A document that is not there is a
// problem of class NotFound.
func (o *Office) AppOf(ctx context.Context, id storage.ID) (app string, err error) {
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		return notFoundAs(notFound(id), tx.QueryRow(`SELECT app FROM documents WHERE id = ?`, id).Scan(&app))
	})
	if err != nil {
		return "", fmt.Errorf("get application of document: %w", err)
	}
	return app, nil
}

// ofApp notes the application of an outgoing document.
func ofApp(tx *sqlite.Tx, seq int64, app string) error {
	if _, err := tx.Exec(`UPDATE documents SET app = ? WHERE seq = ?`, app, seq); err != nil {
		return fmt.Errorf("note application of document: %w", err)
	}
	return nil
}

// maxAnswers is how many documents that a message answers are looked at.
const maxAnswers = 32

// answersApp gives an incoming document to the application whose document it
// answers. Only who got that document can answer it.
func answersApp(tx *sqlite.Tx, seq int64, from string, answers []string) error {
	answers = answers[:min(len(answers), maxAnswers)]
	if len(answers) == 0 {
		return nil
	}
	args := []any{seq, registry.Key(from)}
	for _, id := range answers {
		args = append(args, id)
	}
	_, err := tx.Exec(`UPDATE documents SET app = coalesce((
			SELECT d.app FROM documents d JOIN recipients r ON r.document = d.seq AND r.code_key = ?2
			WHERE d.box = 'out' AND d.app <> '' AND d.edxml_id <> '' AND d.edxml_id IN (`+strings.Repeat(`?, `, len(answers)-1)+`?)
			ORDER BY d.seq DESC LIMIT 1), '')
		WHERE seq = ?1`, args...)
	if err != nil {
		return fmt.Errorf("find what a document answers: %w", err)
	}
	return nil
}
