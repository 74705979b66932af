package office

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Entry is one thing that happened to a document, for other programs. Entries
// are never changed or removed.
type Entry struct {
	// Cursor is the place of the entry in the feed: whoever has seen it goes on
	// after it. It is opaque, and one of another store is refused.
	Cursor   string     `json:"cursor"`
	Type     EntryType  `json:"type"`
	Document storage.ID `json:"document"`
	// EdXMLID is the DocumentId under which other programs know the document.
	EdXMLID string `json:"edxml_id"`
	Box     Box    `json:"box"`
	State   State  `json:"state"` // the step of the track
	// Code is the status of edXML behind it, "" when none is.
	Code   edxml.StatusCode `json:"code,omitempty"`
	Office string           `json:"office"` // the recipient concerned, "" for all
	At     time.Time        `json:"at"`     // when it happened, at the office where it did
	Learnt time.Time        `json:"learnt"` // when this office learnt it
	// Via names the connectors through which offices outside of Trạm get this
	// document, or the one through which it came.
	Via  []string   `json:"via,omitempty"`
	Note string     `json:"note,omitempty"`
	Said *i18n.Said `json:"said,omitempty"` // as that of an [Event]
	// Carries is the code of the one-stop dossier that the document carries, "" for none.
	Carries string `json:"carries,omitempty"`
	// Dossier is there in entries about dossiers, see [Entry.OfDossier].
	Dossier *DossierNews `json:"dossier,omitempty"`
}

// EntryType says what happened, in the words of the public interface.
type EntryType string

// Types of entries. Programs know them: never rename one, and expect readers to
// pass over those that they do not know.
const (
	DocumentSaved     EntryType = "document.saved"     // out: safe here
	DocumentSending   EntryType = "document.sending"   // out: the first byte left
	DocumentAtHub     EntryType = "document.at-hub"    // out: the hub has signed for it
	DocumentDelivered EntryType = "document.delivered" // out: status 01 of a recipient
	DocumentArrived   EntryType = "document.arrived"   // in: filed here
	DocumentAccepted  EntryType = "document.accepted"  // status 03, of a recipient or of this office
	DocumentReturned  EntryType = "document.returned"  // status 02, likewise
	DocumentStatus    EntryType = "document.status"    // any other status, see Code
	DocumentFailed    EntryType = "document.failed"    // out: will not reach a recipient
	DocumentWithdrawn EntryType = "document.withdrawn" // out: never left
	DocumentRecalled  EntryType = "document.recalled"  // cancelled, by a recipient or by this office
	DocumentEntered   EntryType = "document.entered"   // a paper document stands in its register
	DocumentNoted     EntryType = "document.noted"     // evidence or a remark; nothing moved
)

// EntryTypes are all that there are, in the order above.
var EntryTypes = []EntryType{
	DocumentSaved, DocumentSending, DocumentAtHub, DocumentDelivered, DocumentArrived, DocumentAccepted,
	DocumentReturned, DocumentStatus, DocumentFailed, DocumentWithdrawn, DocumentRecalled, DocumentEntered, DocumentNoted,
}

// entryTypes names the steps of a track.
var entryTypes = map[State]EntryType{
	Saved: DocumentSaved, Sending: DocumentSending, AtHub: DocumentAtHub, Delivered: DocumentDelivered,
	Accepted: DocumentAccepted, Returned: DocumentReturned, Failed: DocumentFailed, Withdrawn: DocumentWithdrawn,
}

func entryType(box Box, medium Medium, step State, code edxml.StatusCode, evidence, note string) EntryType {
	switch {
	case medium == Paper && note == "" && (step == Accepted || step == Issued):
		return DocumentEntered
	case medium == Paper:
		return DocumentNoted
	case box == In && step == Delivered:
		return DocumentArrived
	case code == edxml.StatusAgreed && step == Recalled:
		return DocumentRecalled
	case code != "" && steps[code] == "":
		return DocumentStatus
	case evidence == EvidenceRecord && step != Failed, evidence == EvidenceStamp, step == Saved && evidence != EvidenceSeal:
		return DocumentNoted
	}
	if t, ok := entryTypes[step]; ok {
		return t
	}
	return DocumentNoted
}

// MaxFeed is the most entries of one call of [Office.Feed].
const MaxFeed = 500

// Reading says what of the feed a reader gets. The zero value is all documents.
type Reading struct {
	App        string // documents of this application alone, see [Office.AppOf]; "" all
	Dossiers   bool   // what happens to dossiers as well
	DossiersOf string // those that this application filed alone; "" all
}

// Feed is FeedTo of all documents and nothing else.
func (o *Office) Feed(ctx context.Context, after string, limit int) (entries []Entry, next string, err error) {
	return o.FeedTo(ctx, Reading{}, after, limit)
}

// FeedTo returns the entries after a cursor, "" for the beginning, oldest first,
// and the cursor to go on from, which is the same when there is nothing new.
// limit is at most MaxFeed; 0 is MaxFeed. The track that an incoming document
// had before it came here is left out. A cursor that is not of this store is
// the problem "feed.cursor".
func (o *Office) FeedTo(ctx context.Context, r Reading, after string, limit int) (entries []Entry, next string, err error) {
	at, err := o.feedPlace(after)
	if err != nil {
		return nil, "", err
	}
	if limit <= 0 || limit > MaxFeed {
		limit = MaxFeed
	}
	entries = []Entry{}
	seen := at
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		last, err := feedEnd(tx)
		if err != nil {
			return err
		}
		if at.event > last.event || at.notice > last.notice {
			return badCursor(after)
		}
		if r.App != "" || r.Dossiers {
			seen = last // what is left out is not looked at again
		}
		events, err := o.events(tx, at.event, r.App, limit)
		if err != nil {
			return err
		}
		var notices []placed
		if r.Dossiers {
			if notices, err = o.notices(tx, at, r.DossiersOf, limit); err != nil {
				return err
			}
		}
		for _, p := range merged(events, notices, limit) {
			p.Cursor = o.cursor(p.at)
			entries = append(entries, p.Entry)
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("read feed: %w", err)
	}
	if next = o.cursor(seen); len(entries) > 0 && (r == Reading{} || len(entries) == limit) {
		next = entries[len(entries)-1].Cursor
	}
	return entries, next, nil
}

// events reads those of documents behind one of them.
func (o *Office) events(tx *sqlite.Tx, after int64, app string, limit int) (list []placed, err error) {
	where, args := ``, []any{after}
	if app != "" {
		where, args = `AND d.app <> '' AND d.app = ?`, append(args, app)
	}
	rows, err := tx.Query(`SELECT e.seq, d.id, d.edxml_id, d.box, d.medium, e.step, e.code, e.office, e.at, e.learnt, e.note, e.evidence, d.carries,
		(SELECT coalesce(group_concat(DISTINCT via), '') FROM recipients WHERE document = d.seq AND via <> '')
		FROM events e JOIN documents d ON d.seq = e.document
		WHERE e.seq > ? AND NOT (d.box = 'in' AND e.step IN ('saved', 'hub')) `+where+` ORDER BY e.seq LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e placed
		var note, evidence, via string
		var medium Medium
		if err := rows.Scan(&e.at.event, &e.Document, &e.EdXMLID, &e.Box, &medium, &e.State, &e.Code, &e.Office,
			sqlite.Timestamp(&e.At), sqlite.Timestamp(&e.Learnt), &note, &evidence, &e.Carries, &via); err != nil {
			return nil, err
		}
		w := readWording(note)
		e.Note, e.Said = w.text, w.said
		if via != "" {
			e.Via = strings.Split(via, ",") // no name of a connector has a comma
		}
		e.Type = entryType(e.Box, medium, e.State, e.Code, evidence, note)
		list = append(list, e)
	}
	return list, rows.Err()
}

func lastEvent(tx *sqlite.Tx) (seq int64, err error) {
	return seq, tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM events`).Scan(&seq)
}

func feedEnd(tx *sqlite.Tx) (p feedPlace, err error) {
	if p.event, err = lastEvent(tx); err != nil {
		return p, err
	}
	p.notice, err = lastNotice(tx)
	return p, err
}

// FeedEnd is the cursor after the newest entry, for who wants only what comes.
func (o *Office) FeedEnd(ctx context.Context) (string, error) {
	var last feedPlace
	err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		last, err = feedEnd(tx)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read end of feed: %w", err)
	}
	return o.cursor(last), nil
}

// Changed returns a channel that is closed at the next change of a document. A
// reader of the feed takes it before it reads, so that nothing falls between.
func (o *Office) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next
}

// announce wakes who waits for a change.
func (o *Office) announce() {
	o.revision.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.next)
	o.next = make(chan struct{})
}

// cursorEpoch is how many bytes of the store's epoch stand in a cursor: enough
// to tell stores apart, short enough for an address.
const cursorEpoch = 6

// feedPlace is a place in the feed: behind an event of a document, and behind a
// notice that stands there; 0 is before all of them.
type feedPlace struct{ event, notice int64 }

func (p feedPlace) compare(q feedPlace) int {
	return cmp.Or(cmp.Compare(p.event, q.event), cmp.Compare(p.notice, q.notice))
}

func (o *Office) cursor(p feedPlace) string {
	epoch := o.db.Epoch()
	text := hex.EncodeToString(epoch[:cursorEpoch]) + "-" + strconv.FormatInt(p.event, 10)
	if p.notice > 0 {
		text += "." + strconv.FormatInt(p.notice, 10)
	}
	return text
}

func (o *Office) feedPlace(cursor string) (p feedPlace, err error) {
	if cursor == "" {
		return p, nil
	}
	epoch, number, _ := strings.Cut(cursor, "-")
	event, notice, two := strings.Cut(number, ".")
	p.event, err = strconv.ParseInt(event, 10, 64)
	if two && err == nil {
		p.notice, err = strconv.ParseInt(notice, 10, 64)
	}
	own := o.db.Epoch()
	if err != nil || p.event < 0 || p.notice < 0 || epoch != hex.EncodeToString(own[:cursorEpoch]) {
		return feedPlace{}, badCursor(cursor)
	}
	return p, nil
}

func badCursor(cursor string) error {
	return problem.New(problem.Usage, "feed.cursor", "after", i18n.Args{"cursor": printable(cursor)})
}
