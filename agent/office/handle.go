package office

import (
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
