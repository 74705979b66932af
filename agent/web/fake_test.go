package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/docsign"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// fakeOffice is a small office in memory: it keeps the rules that pages
// depend on and nothing else.
type fakeOffice struct {
	real     *office.Office // whose files are opened in its place, nil for none
	mu       sync.Mutex
	now      func() time.Time
	docs     []office.Document
	content  map[[32]byte][]byte
	progress map[storage.ID]office.Progress
	revision uint64
	arrivals int
	numbers  int
	broken   error // answered by every call when set
	first    map[storage.ID]bool
	checks   map[storage.ID][]office.Check
	knowing  office.Knowing // of the last acceptance
	changes  office.Changes // of the last draft
	// transaction runs what saves a document with it.
	transaction func(fn func(tx *sqlite.Tx) error) error
}

func newFakeOffice(now func() time.Time) *fakeOffice {
	return &fakeOffice{now: now, content: map[[32]byte][]byte{}, progress: map[storage.ID]office.Progress{}, first: map[storage.ID]bool{}, checks: map[storage.ID][]office.Check{}, arrivals: 1286, numbers: 40}
}

// change runs fn on the office and counts it as a change.
func (f *fakeOffice) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
	f.revision++
}

func (f *fakeOffice) attach(index int, name string, data []byte) office.Attachment {
	sum := sha256.Sum256(data)
	f.content[sum] = data
	return office.Attachment{Index: index, Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}

// add files a document with its attachments, given as name and content in turn.
func (f *fakeOffice) add(d office.Document, files ...string) office.Document {
	f.mu.Lock()
	defer f.mu.Unlock()
	d.ID = uuid.Must(uuid.NewV7())
	for i := 0; i+1 < len(files); i += 2 {
		a := f.attach(i/2, files[i], []byte(files[i+1]))
		d.Attachments = append(d.Attachments, a)
		d.Size += a.Size
	}
	f.docs = append(f.docs, d)
	f.revision++
	return d
}

// fails has every call answered with err.
func (f *fakeOffice) fails(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

func (f *fakeOffice) find(id storage.ID) (*office.Document, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	for i := range f.docs {
		if f.docs[i].ID == id {
			return &f.docs[i], nil
		}
	}
	return nil, problem.New(problem.NotFound, "web.no-document", "", nil)
}

func (f *fakeOffice) Get(_ context.Context, id storage.ID) (office.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Document{}, err
	}
	return *d, nil
}

// listed is a document as lists carry it.
func listed(d office.Document) office.Document {
	for _, c := range d.Checks {
		d.Signatures = docsign.Worst(d.Signatures, c.Verdict())
	}
	d.Events, d.Checks = nil, nil
	return d
}

func (f *fakeOffice) List(_ context.Context, q office.Query) ([]office.Document, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []office.Document
	for _, d := range f.docs {
		if d.Box == q.Box && (len(q.States) == 0 || slices.Contains(q.States, d.State)) {
			all = append(all, listed(d))
		}
	}
	slices.SortStableFunc(all, func(a, b office.Document) int { return b.Created.Compare(a.Created) })
	total := len(all)
	all = all[min(q.Offset, total):]
	return all[:min(cmp.Or(q.Limit, office.DefaultPage), len(all))], total, f.broken
}

func (f *fakeOffice) Work(context.Context) (office.Work, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var w office.Work
	for _, d := range f.docs {
		d = listed(d)
		if d.Box == office.In && d.Created.After(w.LastIn) {
			w.LastIn = d.Created
		}
		if d.Request != nil && d.Request.State == office.RequestPending {
			w.Requests = append(w.Requests, d)
		}
		switch {
		case d.State == office.Arrived && d.Urgency > office.Thuong:
			w.Urgent = append(w.Urgent, d)
		case d.State == office.Arrived:
			w.ToAccept = append(w.ToAccept, d)
		case d.Box == office.Out && d.State == office.Returned:
			w.Returned = append(w.Returned, d)
		case d.Box == office.Out && d.State == office.Failed:
			w.Failed = append(w.Failed, d)
		case d.Box == office.Out && d.State == office.Saved && f.now().Sub(d.Created) > 24*time.Hour:
			w.Unsent = append(w.Unsent, d)
		}
	}
	slices.SortStableFunc(w.Urgent, func(a, b office.Document) int { return int(b.Urgency) - int(a.Urgency) })
	return w, f.broken
}

func (f *fakeOffice) Summary(context.Context) (office.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var s office.Summary
	for _, d := range f.docs {
		switch {
		case d.Box == office.Out && (d.State == office.Saved || d.State == office.Sending):
			s.Waiting++
			s.WaitingBytes += d.Size
		case d.Box == office.Out && d.Created.After(s.LastOut):
			s.LastOut = d.Created
		case d.Box == office.In && d.Created.After(s.LastIn):
			s.LastIn = d.Created
		}
		if d.State == office.Arrived {
			s.Unaccepted++
		}
	}
	return s, f.broken
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }

func (f *fakeOffice) Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error) {
	if f.real != nil {
		return f.real.Open(ctx, id, index)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Attachment{}, nil, err
	}
	if index < 0 || index >= len(d.Attachments) {
		return office.Attachment{}, nil, problem.New(problem.NotFound, "web.no-document", "", nil)
	}
	a := d.Attachments[index]
	sum, err := hex.DecodeString(a.SHA256)
	if err != nil {
		return a, nil, err
	}
	return a, closer{bytes.NewReader(f.content[[32]byte(sum)])}, nil
}

func (f *fakeOffice) Export(_ context.Context, id storage.ID, w io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(id); err != nil {
		return err
	}
	_, err := io.WriteString(w, "PK\x03\x04 a container")
	return err
}

func (f *fakeOffice) Revision() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revision
}

func (f *fakeOffice) First(_ context.Context, id storage.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err == nil && d.State != office.Saved && d.State != office.Sending {
		return problem.New(problem.Conflict, "queue.not-waiting", "", i18n.Args{"subject": d.Subject})
	}
	f.first[id] = err == nil
	return err
}

func (f *fakeOffice) IsFirst(id storage.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first[id]
}

func (f *fakeOffice) Progress(id storage.ID) (office.Progress, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.progress[id]
	return p, ok
}

func (f *fakeOffice) Send(_ context.Context, d office.Draft) (office.Document, error) {
	if f.broken != nil {
		return office.Document{}, f.broken
	}
	now := f.now()
	doc := office.Document{Box: office.Out, From: us, Subject: d.Subject, Urgency: d.Urgency, Type: d.Type, Number: d.Number,
		Notation: cmp.Or(d.Notation, "UBND-VP"), Date: d.Date, State: office.Saved, Created: now,
		Events: []office.Event{{Step: office.Saved, At: now, Learnt: now, Signer: us.Code, Evidence: "seal"}}}
	for _, code := range d.To {
		p, err := directory.Lookup(context.Background(), code)
		if err != nil {
			return office.Document{}, problem.New(problem.Usage, "web.send.not-a-form", "to", nil)
		}
		doc.To = append(doc.To, office.Recipient{Party: p, State: office.Saved})
	}
	var files []string
	for _, up := range d.Files {
		data, err := io.ReadAll(up.Body)
		if err != nil {
			return office.Document{}, fmt.Errorf("read %s: %w", up.Name, err)
		}
		files = append(files, up.Name, string(data))
	}
	f.change(func() { f.numbers++; f.changes = d.Changes })
	if doc.Number == "" {
		doc.Number = fmt.Sprint(f.numbers)
	}
	for _, id := range d.Replies {
		answered, err := f.Get(context.Background(), id)
		if err != nil {
			return office.Document{}, err
		}
		doc.Links = append(doc.Links, office.Link{Kind: office.Answers, ID: id, Box: office.In, Symbol: symbol(answered), Subject: answered.Subject})
	}
	doc = f.add(doc, files...)
	if d.Also != nil {
		return doc, f.transaction(func(tx *sqlite.Tx) error { return d.Also(tx, doc) })
	}
	return doc, nil
}

func (f *fakeOffice) answer(id storage.ID, state office.State, reason, by string) (office.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Document{}, err
	}
	if d.Box != office.In || d.State != office.Arrived {
		return *d, problem.New(problem.Conflict, "account.taken", "", i18n.Args{"name": by})
	}
	d.State, d.Reason = state, reason
	if state == office.Accepted {
		f.arrivals++
		d.Arrival = f.arrivals
	}
	d.Events = append(d.Events, office.Event{Step: state, At: f.now(), Learnt: f.now(), Signer: us.Code, Note: reason, Evidence: "status"})
	f.revision++
	return *d, nil
}

func (f *fakeOffice) AcceptKnowing(_ context.Context, id storage.ID, by string, k office.Knowing) (office.Document, error) {
	f.change(func() {
		f.knowing = k
		if d, err := f.find(id); err == nil {
			d.TrustReason = k.Reason
		}
	})
	return f.answer(id, office.Accepted, "", by)
}

func (f *fakeOffice) Checks(_ context.Context, id storage.ID) ([]office.Check, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.checks[id]), f.broken
}

// Recheck finds again what was found before.
func (f *fakeOffice) Recheck(_ context.Context, id storage.ID, by string) ([]office.Check, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return nil, err
	}
	for i := range d.Checks {
		c := &d.Checks[i]
		c.Cause, c.By, c.Frozen, c.Report.CheckedAt = "request", by, false, f.now()
		f.checks[id] = append(f.checks[id], *c)
	}
	f.revision++
	return d.Checks, nil
}

func (f *fakeOffice) Return(_ context.Context, id storage.ID, reason, by string) (office.Document, error) {
	return f.answer(id, office.Returned, reason, by)
}

func (f *fakeOffice) Withdraw(_ context.Context, id storage.ID, reason, _ string) (office.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Document{}, err
	}
	if d.State != office.Saved {
		return office.Document{}, problem.New(problem.Conflict, "withdraw.sent", "", nil)
	}
	d.State, d.Reason = office.Withdrawn, reason
	for i := range d.To {
		d.To[i].State = office.Withdrawn
	}
	d.Events = append(d.Events, office.Event{Step: office.Withdrawn, At: f.now(), Learnt: f.now(), Note: reason})
	f.revision++
	return *d, nil
}

func (f *fakeOffice) Recall(_ context.Context, id storage.ID, to []string, reason, by string) (office.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Document{}, err
	}
	if reason == "" {
		return office.Document{}, problem.New(problem.Usage, "recall.no-reason", "reason", nil)
	}
	for i := range d.To {
		if r := &d.To[i]; slices.Contains(to, r.Code) {
			r.Recall = &office.Ask{State: office.Asked, Reason: reason, By: by, At: f.now()}
			d.Events = append(d.Events, office.Event{Step: r.State, Code: edxml.StatusTakeBack, Office: r.Code, At: f.now(), Learnt: f.now(),
				Signer: us.Code, Note: reason, Evidence: "status"})
		}
	}
	f.revision++
	return *d, nil
}

func (f *fakeOffice) respond(id storage.ID, state office.RequestState, reason, by string) (office.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(id)
	if err != nil {
		return office.Document{}, err
	}
	if d.Request == nil || d.Request.State != office.RequestPending {
		return office.Document{}, problem.New(problem.Conflict, "request.none", "", nil)
	}
	d.Request.State, d.Request.Answer, d.Request.By, d.Request.Answered = state, reason, by, f.now()
	code, step := edxml.StatusRefused, d.State
	if state == office.RequestGranted {
		code = edxml.StatusAgreed
		if d.Request.Kind == office.AskRecall {
			d.State, d.Reason, step = office.Recalled, d.Request.Reason, office.Recalled
		}
	}
	d.Events = append(d.Events, office.Event{Step: step, Code: code, At: f.now(), Learnt: f.now(), Signer: us.Code, Note: reason, Evidence: "status"})
	f.revision++
	return *d, nil
}

func (f *fakeOffice) Grant(_ context.Context, id storage.ID, by string) (office.Document, error) {
	return f.respond(id, office.RequestGranted, "", by)
}

func (f *fakeOffice) Refuse(_ context.Context, id storage.ID, reason, by string) (office.Document, error) {
	return f.respond(id, office.RequestRefused, reason, by)
}

// fakeDirectory is a registry of a few offices.
type fakeDirectory []office.Party

var us = office.Party{Code: "H40.12", Name: "UBND xã Mường Lát"}

var directory = fakeDirectory{
	us, {Code: "H40", Name: "UBND tỉnh Thanh Sơn"}, {Code: "H40.13", Name: "UBND xã Nà Hẩu"}, {Code: "H40.14", Name: "UBND phường Đường Lâm"},
	{Code: "H40.SNV", Name: "Sở Nội vụ"}, {Code: "H40.STC", Name: "Sở Tài chính"}, {Code: "H40.15", Name: "UBND đặc khu Hoàng Sa"},
}

func (d fakeDirectory) Lookup(_ context.Context, code string) (office.Party, error) {
	for _, p := range d {
		if strings.EqualFold(p.Code, code) {
			return p, nil
		}
	}
	return office.Party{}, problem.New(problem.NotFound, "web.no-document", "to", nil)
}

func (d fakeDirectory) Search(_ context.Context, query string, limit int) ([]office.Party, error) {
	var found []office.Party
	for _, p := range d {
		if strings.Contains(strings.ToLower(p.Name+" "+p.Code), strings.ToLower(query)) && len(found) < limit {
			found = append(found, p)
		}
	}
	return found, nil
}
