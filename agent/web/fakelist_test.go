package web

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/fold"
	"tram/agent/office"
	"tram/storage"
)

// Listing sorts and filters in memory, as the office does. A place is the number of
// a document in docs, from 1.
func (f *fakeOffice) Listing(_ context.Context, l office.Listing) (office.ListPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var at []int
	for i, d := range f.docs {
		party := d.From
		if d.Box == office.Out && len(d.To) > 0 {
			party = d.To[0].Party
		}
		if d.Box == l.Box && (len(l.States) == 0 || slices.Contains(l.States, d.State)) && (l.Type == "" || d.Type == l.Type) &&
			(l.Urgency == nil || *l.Urgency == d.Urgency) && (l.Party == "" || strings.Contains(fold.String(party.Name), fold.String(l.Party))) &&
			!d.Created.Before(l.FiledFrom) && (l.FiledUntil.IsZero() || d.Created.Before(l.FiledUntil)) && (l.Only == nil || slices.Contains(l.Only, d.ID)) {
			at = append(at, i)
		}
	}
	slices.SortStableFunc(at, func(i, j int) int {
		order := fakeOrder(l.Sort, f.docs[i], f.docs[j])
		if l.Down {
			return -order
		}
		return order
	})
	total, from := len(at), 0
	switch place := slices.Index(at, int(cmp.Or(l.After, l.Before))-1); {
	case l.Last:
		from = max(0, (total-1)/l.Limit*l.Limit)
	case l.After > 0:
		from = place + 1
	case l.Before > 0:
		from = max(0, place-l.Limit)
	}
	page := office.ListPage{Total: total}
	rows := at[from:min(total, from+l.Limit)]
	for _, i := range rows {
		page.Documents = append(page.Documents, listed(f.docs[i]))
	}
	if from > 0 {
		page.Before = int64(rows[0]) + 1
	}
	if from+len(rows) < total {
		page.After = int64(rows[len(rows)-1]) + 1
	}
	return page, f.broken
}

func fakeOrder(s office.Sort, a, b office.Document) int {
	switch s {
	case office.BySubject:
		return strings.Compare(fold.SortKey(a.Subject), fold.SortKey(b.Subject))
	case office.ByUrgency:
		return cmp.Compare(a.Urgency, b.Urgency)
	case office.ByArrival:
		return cmp.Compare(a.Arrival, b.Arrival)
	case office.ByParty:
		return strings.Compare(fold.SortKey(a.From.Name), fold.SortKey(b.From.Name))
	}
	return a.Created.Compare(b.Created)
}

// Feed, Changed and Message make the fake a source of the index.
func (f *fakeOffice) Feed(_ context.Context, after string, limit int) (entries []office.Entry, next string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, _ := strconv.Atoi(after)
	for i := at; i < min(len(f.docs), at+limit); i++ {
		entries = append(entries, office.Entry{Cursor: strconv.Itoa(i + 1), Document: f.docs[i].ID})
	}
	return entries, strconv.Itoa(at + len(entries)), nil
}

// Changed has the index look again and again.
func (f *fakeOffice) Changed() <-chan struct{} {
	soon := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() { close(soon) })
	return soon
}

func (f *fakeOffice) Message(_ context.Context, id storage.ID) (*edxml.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d, err := f.find(id); err == nil && d.Subject == "Hướng dẫn công tác văn thư, lưu trữ" {
		return &edxml.Document{Content: "Nội dung chỉ người được phân công đọc"}, nil
	}
	if d, err := f.find(id); err == nil && !d.Dossier.IsZero() {
		return &edxml.Document{}, nil
	}
	return nil, storage.ErrNotFound
}

// Outside, FeedEnd and TellCarried make the fake a carrier of dossiers.
func (f *fakeOffice) Outside(string) (office.Party, bool) { return office.Party{}, false }

func (f *fakeOffice) FeedEnd(context.Context) (string, error) { return "", nil }

func (f *fakeOffice) TellCarried(context.Context, storage.ID, edxml.StatusCode, string, string) error {
	return nil
}

// many files documents that differ, for lists of several pages.
func (f *fakeOffice) many(box office.Box, count int) {
	for i := range count {
		d := office.Document{ID: uuid.New(), Box: box, State: office.Accepted, From: us, Subject: "Thông báo số " + strconv.Itoa(i), Number: strconv.Itoa(i + 1), Notation: "TB-UBND",
			Type: "TB", TypeName: "Thông báo", Created: f.now().AddDate(0, 0, -3).Add(-time.Duration(i) * time.Minute), Date: "2026-11-01"}
		if box == office.In {
			d.From, d.Arrival = directory[1+i%4], count-i
		}
		d.To = []office.Recipient{{Party: directory[1+i%4], State: office.Accepted}}
		f.add(d)
	}
}
