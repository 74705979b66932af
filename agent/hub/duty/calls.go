package duty

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// maxContact bounds each field of a contact, in characters.
const maxContact = registry.MaxName

// Contact is whom to call in an office, and on which line its box hangs.
type Contact struct {
	Office  string `json:"office"`
	Phone   string `json:"phone"`
	Carrier string `json:"carrier,omitempty"`
	Station string `json:"station,omitempty"`
}

// SetContacts replaces the contacts of offices. The problem contact.text names a field
// that is too long or holds control characters.
func SetContacts(tx *sqlite.Tx, by string, contacts []Contact) error {
	for _, c := range contacts {
		for field, text := range map[string]string{"phone": c.Phone, "carrier": c.Carrier, "station": c.Station} {
			if utf8.RuneCountInString(text) > maxContact || strings.ContainsFunc(text, unicode.IsControl) {
				return problem.New(problem.Usage, "contact.text", field, i18n.Args{"office": c.Office, "most": maxContact})
			}
		}
		_, err := tx.Exec(`INSERT OR REPLACE INTO contacts (office, phone, carrier, station) VALUES (?, ?, ?, ?)`, registry.Key(c.Office), c.Phone, c.Carrier, c.Station)
		if err != nil {
			return err
		}
		if err := audited(tx, by, "office.contact", c.Office, map[string]string{"phone": c.Phone, "carrier": c.Carrier, "station": c.Station}); err != nil {
			return err
		}
	}
	return nil
}

// Contacts are those of all offices, by the key of the office's code.
func Contacts(ctx context.Context, db *sqlite.DB) (map[string]Contact, error) {
	all := map[string]Contact{}
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, c *Contact) error {
			return rows.Scan(&c.Office, &c.Phone, &c.Carrier, &c.Station)
		}, `SELECT office, phone, carrier, station FROM contacts`)
		for _, c := range list {
			all[c.Office] = c
		}
		return err
	})
	return all, err
}

// Call is one telephone call about a document that had not arrived.
type Call struct {
	Document storage.ID `json:"document"`
	Office   string     `json:"office"`
	At       time.Time  `json:"at"`
	By       string     `json:"by"`
	Note     string     `json:"note,omitempty"`
}

// Called writes down that somebody called an office about a document. The problem
// incident.note names a note that is too long.
func (r *Room) Called(ctx context.Context, c Call) (Call, error) {
	note, err := checkNote(c.Note, false)
	if err != nil {
		return c, err
	}
	c.Note = note
	return c, r.db.Update(ctx, func(tx *sqlite.Tx) error {
		c.At = tx.Now()
		if _, err := tx.Exec(`INSERT INTO calls (document, office, at, by, note) VALUES (?, ?, ?, ?, ?)`, c.Document, c.Office, c.At, c.By, c.Note); err != nil {
			return err
		}
		return audited(tx, c.By, "document.called", c.Document.String(), map[string]string{"office": c.Office, "note": c.Note})
	})
}

// Calls are those about documents, the oldest first.
func (r *Room) Calls(ctx context.Context, documents []storage.ID) (map[storage.ID][]Call, error) {
	hex := make([]string, 0, len(documents))
	for _, d := range documents {
		hex = append(hex, strings.ToUpper(strings.ReplaceAll(d.String(), "-", "")))
	}
	among, err := json.Marshal(hex)
	if err != nil {
		return nil, err
	}
	calls := map[storage.ID][]Call{}
	err = r.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err := sqlite.Collect(tx, func(rows *sql.Rows, c *Call) error {
			return rows.Scan(&c.Document, &c.Office, sqlite.Timestamp(&c.At), &c.By, &c.Note)
		}, `SELECT document, office, at, by, note FROM calls WHERE document IN (SELECT unhex(value) FROM json_each(?)) ORDER BY seq`, string(among))
		for _, c := range list {
			calls[c.Document] = append(calls[c.Document], c)
		}
		return err
	})
	return calls, err
}
