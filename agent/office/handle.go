package office

import (
	"context"
	"fmt"
	"strings"

	"tram/storage"
	"tram/storage/sqlite"
)

// Handle allows a change of how an incoming document is handled, within the
// transaction that makes it, and counts it as a change of the document. One that
// was not accepted, or was recalled, is a problem.
func (o *Office) Handle(tx *sqlite.Tx, id storage.ID) (Urgency, error) {
	r, err := getRow(tx, id)
	if err != nil {
		return 0, err
	}
	if err := reportable(r.Document); err != nil {
		return 0, err
	}
	o.changed(tx)
	return r.Urgency, nil
}

// Documents returns those of the documents that there are, each as [Office.List]
// does. At most MaxPage IDs are looked at.
func (o *Office) Documents(ctx context.Context, ids []storage.ID) (map[storage.ID]Document, error) {
	found := map[storage.ID]Document{}
	ids = ids[:min(len(ids), MaxPage)]
	if len(ids) == 0 {
		return found, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		docs, err := selectDocuments(tx, `id IN (?`+strings.Repeat(`, ?`, len(ids)-1)+`)`, args...)
		for _, d := range docs {
			found[d.ID] = d
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("get documents: %w", err)
	}
	return found, nil
}
