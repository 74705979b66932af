package web

import (
	"context"
	"slices"
	"testing"

	"tram/agent/edxml"
	"tram/agent/handling"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Handle implements handling.Office.
func (f *fakeOffice) Handle(_ *sqlite.Tx, id storage.ID) (u office.Urgency, err error) {
	f.change(func() {
		d, findErr := f.find(id)
		switch {
		case findErr != nil:
			err = findErr
		case d.Box != office.In || d.State != office.Accepted:
			err = problem.New(problem.Conflict, "import.not-accepted", "StatusCode", nil)
		default:
			u = d.Urgency
		}
	})
	return u, err
}

// Documents implements handling.Office and books.Source.
func (f *fakeOffice) Documents(_ context.Context, ids []storage.ID) (docs []office.Document, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.docs {
		if slices.Contains(ids, d.ID) {
			docs = append(docs, listed(d))
		}
	}
	return docs, f.broken
}

// Report implements handling.Office.
func (f *fakeOffice) Report(_ context.Context, id storage.ID, code edxml.StatusCode, text, by string) (office.Document, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Document{}, false, err
	}
	d.Events = append(d.Events, office.Event{Step: office.Accepted, Code: code, Office: us.Code, At: f.now(), Learnt: f.now(), Signer: us.Code,
		Said: i18n.Say("office.status.note-text", i18n.Args{"code": string(code), "name": i18n.Say("office.status." + string(code)), "text": text})})
	f.revision++
	return *d, true, nil
}

var (
	asLan    = handling.Actor{Person: "lan", Name: "Nguyễn Thị lan", Directs: true}
	asLeader = handling.Actor{Person: "leader", Name: "Nguyễn Thị leader", Directs: true}
	asStaff  = handling.Actor{Person: "staff", Name: "Nguyễn Thị staff"}
)

func someone(name string) handling.Assignee {
	return handling.Assignee{Person: name, Name: "Nguyễn Thị " + name}
}

// noError ends a test at an error.
func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// accepted files an accepted document.
func (b *box) accepted(subject string, urgency office.Urgency) office.Document {
	b.t.Helper()
	d := b.office.add(office.Document{Box: office.In, From: office.Party{Code: "H40.SNV", Name: "Sở Nội vụ"}, Subject: subject, Urgency: urgency, Number: "915",
		Notation: "SNV-VP", TypeName: "Công văn", Date: "2026-11-18", State: office.Accepted, Arrival: 1270, Created: noon.AddDate(0, 0, -2),
		EdXMLID: "000.00.12.H40,2026/11/18,915/SNV-VP"}, "Công văn.pdf", samplePDF("CONG VAN", 1, ""))
	return d
}

// led is an accepted document that somebody leads; hand says that they have it.
func (b *box) led(subject, by, deadline string, hand bool) office.Document {
	b.t.Helper()
	d := b.accepted(subject, office.Thuong)
	noError(b.t, b.handling.Instruct(b.t.Context(), d.ID, handling.Instruction{Text: "Giao chủ trì tham mưu, báo cáo lãnh đạo.\nPhối hợp với Công an xã.",
		Lead: []handling.Assignee{someone(by)}, Support: []handling.Assignee{{Name: "Công an xã"}}, Inform: []handling.Assignee{someone("onestop")},
		Deadline: deadline, HandOver: hand}, asLeader, 0))
	return d
}

// handToStaff gives a document to a member of staff and to the one-stop desk, and
// makes another one an answer to it.
func (b *box) handToStaff() {
	b.t.Helper()
	noError(b.t, b.handling.Instruct(b.t.Context(), b.docs["accepted"].ID, handling.Instruction{
		Lead: []handling.Assignee{someone("staff")}, Inform: []handling.Assignee{someone("onestop")}, HandOver: true}, asLeader, 0))
	b.office.change(func() {
		d, err := b.office.find(b.docs["saved"].ID)
		noError(b.t, err)
		d.Links = []office.Link{{Kind: office.Answers, ID: b.docs["accepted"].ID, Box: office.In}}
	})
}
