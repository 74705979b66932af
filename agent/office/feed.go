package office

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
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

// Feed returns the entries after a cursor, "" for the beginning, oldest first,
// and the cursor to go on from, which is the same when there is nothing new.
// limit is at most MaxFeed; 0 is MaxFeed. The track that an incoming document
// had before it came here is left out. A cursor that is not of this store is
// the problem "feed.cursor".
func (o *Office) Feed(ctx context.Context, after string, limit int) (entries []Entry, next string, err error) {
	return o.feed(ctx, after, limit, "", nil)
}

// feed is Feed of the documents that fulfil where, an SQL condition that begins
// with AND.
func (o *Office) feed(ctx context.Context, after string, limit int, where string, args []any) (entries []Entry, next string, err error) {
	seq, err := o.feedPlace(after)
	if err != nil {
		return nil, "", err
	}
	if limit <= 0 || limit > MaxFeed {
		limit = MaxFeed
	}
	entries = []Entry{}
	seen := seq
	err = o.db.View(ctx, func(tx *sqlite.Tx) error {
		last, err := lastEvent(tx)
		if err != nil {
			return err
		}
		if seq > last {
			return badCursor(after)
		}
		if where != "" {
			seen = last // what is left out is not looked at again
		}
		rows, err := tx.Query(`SELECT e.seq, d.id, d.edxml_id, d.box, d.medium, e.step, e.code, e.office, e.at, e.learnt, e.note, e.evidence,
			(SELECT coalesce(group_concat(DISTINCT via), '') FROM recipients WHERE document = d.seq AND via <> '')
			FROM events e JOIN documents d ON d.seq = e.document
			WHERE e.seq > ? AND NOT (d.box = 'in' AND e.step IN ('saved', 'hub')) `+where+` ORDER BY e.seq LIMIT ?`,
			slices.Concat([]any{seq}, args, []any{limit})...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e Entry
			var at int64
			var note, evidence, via string
			var medium Medium
			if err := rows.Scan(&at, &e.Document, &e.EdXMLID, &e.Box, &medium, &e.State, &e.Code, &e.Office,
				sqlite.Timestamp(&e.At), sqlite.Timestamp(&e.Learnt), &note, &evidence, &via); err != nil {
				return err
			}
			e.Cursor = o.cursor(at)
			w := readWording(note)
			e.Note, e.Said = w.text, w.said
			if via != "" {
				e.Via = strings.Split(via, ",") // no name of a connector has a comma
			}
			e.Type = entryType(e.Box, medium, e.State, e.Code, evidence, note)
			entries = append(entries, e)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", fmt.Errorf("read feed: %w", err)
	}
	if next = o.cursor(seen); len(entries) > 0 && (where == "" || len(entries) == limit) {
		next = entries[len(entries)-1].Cursor
	}
	return entries, next, nil
}

func lastEvent(tx *sqlite.Tx) (seq int64, err error) {
	return seq, tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM events`).Scan(&seq)
}

// FeedEnd is the cursor after the newest entry, for who wants only what comes.
func (o *Office) FeedEnd(ctx context.Context) (string, error) {
	var last int64
	err := o.db.View(ctx, func(tx *sqlite.Tx) (err error) {
		last, err = lastEvent(tx)
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

func (o *Office) cursor(seq int64) string {
	epoch := o.db.Epoch()
	return hex.EncodeToString(epoch[:cursorEpoch]) + "-" + strconv.FormatInt(seq, 10)
}

func (o *Office) feedPlace(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	epoch, number, _ := strings.Cut(cursor, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if own, _, _ := strings.Cut(o.cursor(0), "-"); err != nil || seq < 0 || epoch != own {
		return 0, badCursor(cursor)
	}
	return seq, nil
}

func badCursor(cursor string) error {
	return problem.New(problem.Usage, "feed.cursor", "after", i18n.Args{"cursor": printable(cursor)})
}
