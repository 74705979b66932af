package office

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tram/agent/fold"
	"tram/agent/hub/registry"
	"tram/storage"
	"tram/storage/sqlite"
)

// Sort is what a list is sorted by. Documents that are alike in it stand in the
// order of their filing.
type Sort string

// The sorts. Those by words follow the Vietnamese alphabet.
const (
	ByFiled   Sort = "filed"
	ByArrival Sort = "arrival" // year and number in the register; those without a number before all others
	ByUrgency Sort = "urgency"
	ByParty   Sort = "party"  // sender of an incoming document, first recipient of an outgoing one
	BySymbol  Sort = "symbol" // number, as a number, and notation
	BySubject Sort = "subject"
)

// Sorts lists every sort.
var Sorts = []Sort{ByFiled, ByArrival, ByUrgency, ByParty, BySymbol, BySubject}

// Listing selects and sorts documents for a page of a list. Zero fields select
// nothing out.
type Listing struct {
	Box     Box     // needed
	States  []State // any of
	Type    string  // abbreviation
	Urgency *Urgency
	// Party is the code, or a part of the name without regard to diacritics, of
	// the sender of an incoming document, of any recipient of an outgoing one.
	Party string
	// FiledFrom and FiledUntil bound Created; the latter is not in.
	FiledFrom, FiledUntil time.Time
	// Only are the documents to choose from, at most MaxOnly; nil for all.
	Only []storage.ID
	Sort Sort // "" for ByFiled
	// Down turns the order round: the newest, the highest, Z first.
	Down bool
	// After and Before are places that another page told; at most one of them is
	// set. Last asks for the last page.
	After, Before int64
	Last          bool
	Limit         int // at most MaxPage; 0 for DefaultPage
}

// Bounds of lists.
const (
	// MaxOnly bounds Listing.Only.
	MaxOnly = 2000
	// maxParties is how many offices a name may stand for; of more, the first by
	// code count.
	maxParties = 200
	// narrow is how many matches are sorted by themselves; more are found by
	// walking the order of the list.
	narrow = 1000
	// few is how many rows may have to be read for a filter; where an index leads to
	// no more of them, the list's order is not walked.
	few = 3000
	// listingBatch is how many documents get their places in one transaction.
	listingBatch = 500
	// keptCounts is how many counts are remembered.
	keptCounts = 64
)

// ListPage is a page of a list: documents as [Office.List] gives them.
type ListPage struct {
	Documents []Document
	Total     int // that match
	// Before and After are the places for the pages before and after this one,
	// 0 where there is none.
	Before, After int64
}

// Listing returns a page of a list. What it costs depends little on where the
// page lies.
func (o *Office) Listing(ctx context.Context, l Listing) (ListPage, error) {
	if l.Limit <= 0 {
		l.Limit = DefaultPage
	}
	l.Limit, l.Sort = min(l.Limit, MaxPage), cmp.Or(l.Sort, ByFiled)
	l.Only = l.Only[:min(len(l.Only), MaxOnly)]
	if !slices.Contains(Sorts, l.Sort) {
		return ListPage{}, fmt.Errorf("list documents: unknown order %q", l.Sort)
	}
	if err := o.fillListing(ctx); err != nil {
		if l.wordy() || l.Party != "" || errors.Is(err, ctx.Err()) {
			return ListPage{}, fmt.Errorf("list documents: %w", err)
		}
		o.log.Error("places in lists not written", "error", err) // this list does not need them
	}
	revision := o.Revision()
	var page ListPage
	err := o.db.View(ctx, func(tx *sqlite.Tx) error {
		s, err := l.selection(tx)
		if err != nil {
			return err
		}
		if err := s.choosePath(tx); err != nil {
			return err
		}
		if page.Total, err = o.counts.get(revision, s.name(), func() (int, error) { return s.count(tx) }); err != nil || page.Total == 0 {
			return err
		}
		return l.page(tx, s, &page)
	})
	if err != nil {
		return ListPage{}, fmt.Errorf("list documents: %w", err)
	}
	return page, nil
}

// wordy reports whether the order needs the places by words.
func (l Listing) wordy() bool { return l.Sort == ByParty || l.Sort == BySymbol || l.Sort == BySubject }

// page reads the rows of a page that has a match.
func (l Listing) page(tx *sqlite.Tx, s selection, page *ListPage) error {
	w := l.window(page.Total)
	from := int64(0)
	if from = cmp.Or(l.After, l.Before); from > 0 {
		var err error
		if w.from, err = l.placeOf(tx, from); err != nil {
			return err
		}
	}
	places, err := l.places(tx, s, w, page.Total)
	if err != nil {
		return err
	}
	if l.Before > 0 && len(places) < l.Limit { // the first page, whole
		l.Before, w = 0, window{limit: l.Limit}
		if places, err = l.places(tx, s, w, page.Total); err != nil {
			return err
		}
	}
	more := len(places) > w.limit
	places = places[:min(len(places), w.limit)]
	if w.backward {
		slices.Reverse(places)
	}
	if len(places) == 0 {
		return nil
	}
	if first := places[0].seq; l.After > 0 || w.backward && more {
		page.Before = first
	}
	if last := places[len(places)-1].seq; l.Before > 0 || !w.backward && more {
		page.After = last
	}
	page.Documents, err = inOrder(tx, places)
	return err
}

// window is what is read of an ordered list: limit rows and one more, from a place
// on, forward or backward.
type window struct {
	from     *place // nil for the beginning, or the end
	backward bool
	limit    int
}

func (l Listing) window(total int) window {
	w := window{limit: l.Limit, backward: l.Before > 0 || l.Last}
	if l.Last {
		w.limit = (total-1)%l.Limit + 1
	}
	return w
}

// inOrder reads the documents of places.
func inOrder(tx *sqlite.Tx, places []place) ([]Document, error) {
	seqs := make([]int64, len(places))
	for i, p := range places {
		seqs[i] = p.seq
	}
	found, err := documentsAt(tx, seqs)
	if err != nil {
		return nil, err
	}
	newest := slices.Clone(seqs) // the order of documentsAt
	slices.Sort(newest)
	slices.Reverse(newest)
	docs := make([]Document, len(seqs))
	for i, seq := range seqs {
		docs[i] = found[slices.Index(newest, seq)]
	}
	return docs, nil
}

// fillListing gives places to documents that have none.
func (o *Office) fillListing(ctx context.Context) error {
	for {
		due := false
		err := o.db.View(ctx, func(tx *sqlite.Tx) error {
			return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM listing_due)`).Scan(&due)
		})
		if err != nil || !due {
			return err
		}
		if err := o.db.Update(ctx, listDue); err != nil {
			return fmt.Errorf("write places in lists: %w", err)
		}
	}
}

// listDue gives places to one batch.
func listDue(tx *sqlite.Tx) error {
	seqs, err := numbersOf(tx, `SELECT document FROM listing_due ORDER BY document LIMIT ?`, listingBatch)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		if err := list(tx, seq); err != nil {
			return err
		}
	}
	return nil
}

// list writes the places of a document.
func list(tx *sqlite.Tx, seq int64) error {
	var box, code, party, subject, number, notation string
	if err := tx.QueryRow(`SELECT box, from_code, `+partyColumn+`, subject, number, notation FROM documents WHERE seq = ?`, seq).
		Scan(&box, &code, &party, &subject, &number, &notation); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM listing WHERE document = ?`, seq); err != nil {
		return err
	}
	for sort, key := range map[Sort]string{ByParty: fold.SortKey(party), BySubject: fold.SortKey(subject), BySymbol: symbolKey(number, notation)} {
		if _, err := tx.Exec(`INSERT INTO listing (sort, box, key, document) VALUES (?, ?, ?, ?)`, string(sort), box, key, seq); err != nil {
			return err
		}
	}
	parties := []Party{{Code: code, Name: party}}
	if box == string(Out) {
		var err error
		if parties, err = recipientsOf(tx, seq); err != nil {
			return err
		}
	}
	for _, p := range parties {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO listing_parties (box, code_key, code, folded) VALUES (?, ?, ?, ?)`,
			box, registry.Key(p.Code), p.Code, fold.String(p.Name)); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM listing_due WHERE document = ?`, seq)
	return err
}

func recipientsOf(tx *sqlite.Tx, seq int64) (list []Party, err error) {
	rows, err := tx.Query(`SELECT code, name FROM recipients WHERE document = ?`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p Party
		if err := rows.Scan(&p.Code, &p.Name); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// partyColumn is the name that a list shows, and the code where there is none.
const partyColumn = `CASE box WHEN 'in' THEN iif(from_name = '', from_code, from_name)
	ELSE coalesce((SELECT iif(name = '', code, name) FROM recipients WHERE document = seq ORDER BY pos LIMIT 1), '') END`

// symbolKey puts numbers in the order of numbers, then by notation.
func symbolKey(number, notation string) string {
	digits := strings.TrimLeft(number[:len(number)-len(strings.TrimLeft(number, "0123456789"))], "0")
	rest := strings.TrimLeft(number, "0123456789")
	if len(digits) < len(number)-len(rest) || digits != "" {
		return fmt.Sprintf("%012s", digits[:min(len(digits), 12)]) + fold.SortKey(rest) + "/" + fold.SortKey(notation)
	}
	return fold.SortKey(rest) + "/" + fold.SortKey(notation)
}
